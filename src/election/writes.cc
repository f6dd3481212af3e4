#include "election/writes.h"

#include <algorithm>
#include <limits>
#include <map>

#include "election/controls.h"
#include "election/record.h"

namespace baton::election {
namespace {

using Annotations = std::map<std::string, std::string>;

std::int64_t whole(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

void set_or_erase(Annotations& annotations, const char* key, const std::string& value) {
  if (value.empty()) {
    annotations.erase(key);
  } else {
    annotations[key] = value;
  }
}

// What describes the holder and is written by acquisitions and renewals alike.
void describe_holder(Annotations& annotations, const Options& options, const Attempt& attempt) {
  annotations[annotation::kFormat] = std::to_string(kRecordFormat);
  annotations[annotation::kFencingToken] = std::to_string(attempt.token);
  annotations[annotation::kTerm] = attempt.term_id;
  annotations[annotation::kAttempt] = attempt.id;
  annotations[annotation::kHolder] = options.identity;
  annotations[annotation::kDuration] = std::to_string(whole(options.timings.lease_duration));
  set_or_erase(annotations, annotation::kIncarnation, options.incarnation);
  set_or_erase(annotations, annotation::kAddress, options.address);
  const auto lock_delay = whole(options.lock_delay);
  set_or_erase(annotations, annotation::kLockDelay,
               lock_delay > 0 ? std::to_string(lock_delay) : "");
}

}  // namespace

Token next_token(const Memory& memory, Token floor) {
  // Attempts over one version exclude each other (R1), so they may carry the same token.
  const Lease* base = memory.lease();
  const bool is_over_the_same = base != nullptr && base->uid == memory.sent_over_uid &&
                                memory.newest->version == memory.sent_over;
  const Token sent = is_over_the_same ? memory.sent : memory.sent + 1;
  // The annotated token is among those seen.
  const Token token = std::max({memory.newest->as_of, memory.seen + 1, sent, floor, Token{1}});
  return token <= kMaxToken ? token : 0;
}

LeaseWrite creation(const Options& options, Token highest, Duration owed,
                    const std::string& attempt_id) {
  const auto duration_s = std::max(whole(options.timings.lease_duration),
                                   whole(std::chrono::ceil<std::chrono::seconds>(owed)));
  Annotations annotations{{annotation::kFormat, std::to_string(kRecordFormat)},
                          {annotation::kAttempt, attempt_id},
                          {annotation::kDuration, std::to_string(duration_s)}};
  if (highest > 0) annotations[annotation::kFencingToken] = std::to_string(highest);
  return {.kind = WriteKind::create,
          .base = {},
          .holder = "",
          .duration_s = duration_s,
          .transitions = 0,
          .annotations = annotations};
}

LeaseWrite acquisition(const Options& options, const Lease& base, const Attempt& attempt) {
  Annotations annotations = base.annotations;
  annotations.erase(annotation::kReleased);
  annotations.erase(annotation::kDraining);
  std::erase_if(annotations, [](const auto& item) { return is_control(item.first); });  // of before
  describe_holder(annotations, options, attempt);
  // leaseTransitions is an int32 of the API; nothing rests on it but the mark's being of this term.
  const bool is_used_up = base.transitions >= std::numeric_limits<std::int32_t>::max();
  return {.kind = WriteKind::acquire,
          .base = base,
          .holder = options.identity,
          .duration_s = whole(options.timings.lease_duration),
          .transitions = is_used_up ? 0 : base.transitions + 1,
          .annotations = annotations};
}

LeaseWrite renewal(const Options& options, const Lease& base, const Attempt& attempt,
                   bool is_draining) {
  Annotations annotations = base.annotations;
  for (const RefusedControl& refused :
       refused_controls(base, options.identity, attempt.token, attempt.sent)) {
    annotations.erase(refused.key);
  }
  describe_holder(annotations, options, attempt);
  if (is_draining) annotations[annotation::kDraining] = "true";
  return {.kind = WriteKind::renew,
          .base = base,
          .holder = options.identity,
          .duration_s = whole(options.timings.lease_duration),
          .transitions = base.transitions,
          .annotations = annotations};
}

LeaseWrite release(const Lease& base, const Attempt& attempt, bool with_mark) {
  Annotations annotations = base.annotations;
  annotations[annotation::kAttempt] = attempt.id;
  annotations[annotation::kFencingToken] = std::to_string(std::max(token_of(base), attempt.token));
  if (with_mark) annotations[annotation::kReleased] = release_mark(base);
  return {.kind = WriteKind::release,
          .base = base,
          .holder = "",
          .duration_s = 1,  // as client-go does: its validation refuses 0
          .transitions = base.transitions,
          .annotations = annotations};
}

}  // namespace baton::election
