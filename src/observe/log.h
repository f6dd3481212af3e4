// JSON logs on standard error: one object a line. Any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace baton::observe {

enum class Level { debug, info, warning, error };

/// A key and a value; keys are lower_snake_case with the unit last.
using Field = std::pair<std::string_view, std::variant<std::string, std::int64_t, double, bool>>;

/// Lines below `level` are dropped; `fields` of with_fields() are added to each line.
void set_level(Level level);
void set_common_fields(std::initializer_list<Field> fields);

/// {"time":…,"boottime_ns":…,"level":…,"msg":…, fields…}. Never blocks for long, never throws; a
/// line longer than 8 KiB is cut.
void log(Level level, std::string_view message, std::initializer_list<Field> fields = {});

}  // namespace baton::observe
