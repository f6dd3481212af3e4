// The small formats of the API: base64, times of objects, dates of HTTP. Strict; empty on failure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::kube {

/// Standard or URL alphabet, padded or not; white space is skipped.
std::optional<std::string> decode_base64(std::string_view text);

/// "2006-01-02T15:04:05Z", also with a fraction (dropped) or an offset: seconds since 1970.
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

/// "Mon, 02 Jan 2006 15:04:05 GMT", the one form that servers send: seconds since 1970.
std::optional<std::int64_t> parse_http_date(std::string_view text);

}  // namespace baton::kube
