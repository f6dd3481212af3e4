#include "election/controls.h"

#include <algorithm>
#include <iterator>

namespace baton::election {
namespace {

constexpr const char* kControls[] = {annotation::kPauseUntil, annotation::kResign,
                                     annotation::kHandOverTo};

/// Anybody may have written it, and it goes into a line for people: at most 80 bytes, and not a
/// part of a character.
std::string quoted(const std::string& value) {
  std::size_t length = std::min<std::size_t>(value.size(), 80);
  while (length < value.size() && (value[length] & 0xC0) == 0x80) --length;
  return "'" + value.substr(0, length) + (length < value.size() ? "…'" : "'");
}

bool is_given(const Lease& lease, const char* key) { return lease.annotations.count(key) != 0; }

/// "POD/TOKEN" in two; both empty where it is not of this form.
struct HandOver {
  std::string to, token;
};
HandOver hand_over_of(const Lease& lease) {
  const std::string& value = lease.annotated(annotation::kHandOverTo);
  const auto slash = value.rfind('/');  // an identity may hold others
  if (slash == value.npos || slash == 0 || slash + 1 == value.size()) return {};
  return {value.substr(0, slash), value.substr(slash + 1)};
}

std::string another_token(const char* key, const std::string& value, Token token) {
  return std::string(key) + " is " + quoted(value) + ", and the present term has the token " +
         std::to_string(token);
}

}  // namespace

bool is_control(std::string_view key) {
  return std::find(std::begin(kControls), std::end(kControls), key) != std::end(kControls);
}

Instant pause_end(const Lease& lease, Instant now) {
  const Instant end = lease.paused_until;
  return now < end && end <= now + kLongestPause ? end : kLongAgo;
}

std::string refused_pause(const Lease& lease, Instant now) {
  if (!is_given(lease, annotation::kPauseUntil) || pause_end(lease, now) != kLongAgo) return "";
  return std::string(annotation::kPauseUntil) + " is " +
         quoted(lease.annotated(annotation::kPauseUntil)) +
         (lease.paused_until == kNever ? ", which is no time like 2026-01-02T15:04:05Z (RFC 3339)"
          : lease.paused_until <= now  ? ", which has passed"
                                       : ", which is more than 24 h ahead");
}

std::string pause_reason(const Lease& lease) {
  return "paused until " + quoted(lease.annotated(annotation::kPauseUntil)) + " by " +
         annotation::kPauseUntil + " (R18)";
}

std::string asked_to_resign(const Lease& lease, const std::string& identity, Token token,
                            Instant now) {
  if (pause_end(lease, now) != kLongAgo) return pause_reason(lease);
  if (lease.annotated(annotation::kResign) == std::to_string(token)) {
    return std::string("asked to resign by ") + annotation::kResign + " (R18)";
  }
  const auto [to, named] = hand_over_of(lease);
  if (named != std::to_string(token) || is_name_of(to, identity)) return "";
  return "asked to hand over to " + quoted(to) + " by " + annotation::kHandOverTo + " (R18)";
}

std::string heir(const Lease& lease) {
  const auto [to, token] = hand_over_of(lease);
  return !token.empty() && token == lease.annotated(annotation::kFencingToken) ? to : "";
}

std::string heir_reason(const Lease& lease) {
  return "released for " + quoted(heir(lease)) + ", which may take it first (R18)";
}

bool is_name_of(const std::string& name, const std::string& identity) {
  return !name.empty() && (identity == name || identity.starts_with(name + "_"));
}

std::vector<RefusedControl> refused_controls(const Lease& lease, const std::string& identity,
                                             Token token, Instant now) {
  std::vector<RefusedControl> refused;
  const auto refuse = [&](const char* key, std::string why) {
    if (!why.empty()) refused.push_back({key, std::move(why)});
  };
  refuse(annotation::kPauseUntil, refused_pause(lease, now));
  const std::string& resign = lease.annotated(annotation::kResign);
  if (is_given(lease, annotation::kResign) && resign != std::to_string(token)) {
    refuse(annotation::kResign, another_token(annotation::kResign, resign, token));
  }
  if (!is_given(lease, annotation::kHandOverTo)) return refused;
  const std::string& value = lease.annotated(annotation::kHandOverTo);
  const auto [to, named] = hand_over_of(lease);
  if (named.empty()) {
    refuse(annotation::kHandOverTo, std::string(annotation::kHandOverTo) + " is " + quoted(value) +
                                        ", which is not POD/TOKEN");
  } else if (named != std::to_string(token)) {
    refuse(annotation::kHandOverTo, another_token(annotation::kHandOverTo, value, token));
  } else if (is_name_of(to, identity)) {
    refuse(annotation::kHandOverTo,
           std::string(annotation::kHandOverTo) + " names the leader itself, " + quoted(to));
  }
  return refused;
}

}  // namespace baton::election
