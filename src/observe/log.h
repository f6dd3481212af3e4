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

/// Lines below `level` are dropped (info until set); the common fields are added to each line.
void set_level(Level level);
void set_common_fields(std::initializer_list<Field> fields);

/// {"time":…,"boottime_ns":…,"level":…,"msg":…, fields…}. Never waits for the reader: a line has at
/// most PIPE_BUF (4096) bytes, so that one write to a pipe with room takes it whole; a line without
/// room is dropped and counted as "lines_dropped" in the next. Texts are cut to 1 KiB, and fields
/// that do not fit left out, the last first ("cut":true).
void log(Level level, std::string_view message, std::initializer_list<Field> fields = {});

}  // namespace baton::observe
