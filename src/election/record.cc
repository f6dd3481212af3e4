#include "election/record.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "election/controls.h"

namespace baton::election {
namespace {

// Digits only, no sign, no leading zero; 0 if it is anything else. Saturates.
std::int64_t positive_integer(const std::string& text) {
  if (text.empty() || text[0] < '1' || text[0] > '9') return 0;
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ptr != end) return 0;
  if (result.ec == std::errc::result_out_of_range) return std::numeric_limits<std::int64_t>::max();
  return result.ec == std::errc() ? value : 0;
}

bool is_same(const std::map<std::string, std::string>& one,
             const std::map<std::string, std::string>& other) {
  auto here = one.begin();
  auto there = other.begin();
  while (true) {
    while (here != one.end() && is_control(here->first)) ++here;
    while (there != other.end() && is_control(there->first)) ++there;
    if (here == one.end() || there == other.end()) return here == one.end() && there == other.end();
    if (*here++ != *there++) return false;
  }
}

bool describes_holder(const Lease& lease) {
  return !lease.holder.empty() && lease.annotated(annotation::kHolder) == lease.holder;
}

}  // namespace

// Another one is defined where a program stands for another version (tests/CMakeLists.txt).
#ifndef BATON_RECORD_FORMAT
#define BATON_RECORD_FORMAT 1
#endif
const std::int64_t kRecordFormat = BATON_RECORD_FORMAT;

Duration whole_seconds(std::int64_t seconds) {
  const auto most = std::chrono::duration_cast<std::chrono::seconds>(kLongest).count();
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, most));
}

Token token_of(const Lease& lease) {
  const Token token = positive_integer(lease.annotated(annotation::kFencingToken));
  return token <= kMaxToken ? token : 0;
}

bool has_invalid_token(const Lease& lease) {
  return lease.annotations.count(annotation::kFencingToken) != 0 && token_of(lease) == 0;
}

bool has_known_format(const Lease& lease) {
  const std::string& format = lease.annotated(annotation::kFormat);
  const std::int64_t number = positive_integer(format);
  return format.empty() || format == "0" || (number > 0 && number <= kRecordFormat);
}

bool is_held_by_baton(const Lease& lease) {
  return describes_holder(lease) && has_known_format(lease);
}

bool is_released(const Lease& lease) {
  return lease.holder.empty() && has_known_format(lease) &&
         !lease.annotated(annotation::kTerm).empty() &&
         lease.annotated(annotation::kReleased) == release_mark(lease);
}

std::string release_mark(const Lease& lease) {
  return lease.annotated(annotation::kTerm) + "/" + std::to_string(lease.transitions);
}

bool shows_term(const Lease& lease, const std::string& identity, const std::string& term_id) {
  return lease.holder == identity && lease.annotated(annotation::kTerm) == term_id;
}

bool is_same_record(const Lease& one, const Lease& other) {
  return one.uid == other.uid && one.spec == other.spec &&
         is_same(one.annotations, other.annotations);
}

Duration carried_duration(const Lease& lease, Duration own) {
  const Duration carried =
      std::max(whole_seconds(lease.duration_s.value_or(0)),
               whole_seconds(positive_integer(lease.annotated(annotation::kDuration))));
  return carried > Duration::zero() ? carried : own;
}

Duration owed_duration(const Lease& lease, Duration own) {
  const Duration carried = carried_duration(lease, own);
  return carried <= kLongestTerm ? carried : own;
}

Duration carried_lock_delay(const Lease& lease) {
  if (!lease.holder.empty() && !describes_holder(lease)) return Duration::zero();
  return whole_seconds(positive_integer(lease.annotated(annotation::kLockDelay)));
}

std::string term_key(const Lease& lease) {
  if (lease.holder.empty()) return "";
  return lease.uid + "\n" + lease.holder + "\n" + std::to_string(lease.transitions) + "\n" +
         (is_held_by_baton(lease) ? lease.annotated(annotation::kTerm) : "");
}

}  // namespace baton::election
