// Strict reading of small values, and small files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "election/time.h"

namespace baton {

/// A decimal integer in [min, max]: digits only, no sign (except a leading '-' if min < 0), no
/// leading zero, nothing else. Empty otherwise.
std::optional<std::int64_t> parse_integer(std::string_view text, std::int64_t min,
                                          std::int64_t max);

/// "15s", "250ms", "1.5s", "100us", "1m30s", "1h0m0.5s": decimal numbers, each with its unit, as Go
/// writes them; units fall from h to ns, each once. Not negative, at most 10 years.
std::optional<election::Duration> parse_duration(std::string_view text);

/// The one number and unit, the largest that says it exactly: 15s, 250ms, 1500ms, 2m.
std::string format_duration(election::Duration duration);

std::string_view trim(std::string_view text);

/// The whole file, at most `limit` bytes; the error names the path and the system's reason.
Result<std::string> read_file(const std::string& path, std::size_t limit = std::size_t{1} << 20);

bool is_utf8(std::string_view text);

/// Printable form of untrusted text for a log line or an error: control bytes and invalid UTF-8
/// replaced, cut to `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = 200);

/// What stands between the newlines of a text.
std::vector<std::string> lines_of(std::string_view text);

}  // namespace baton
