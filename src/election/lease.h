// What the rules look at in a Lease, and what they want written into it.
//
// The codec in kube/ fills these from JSON and applies a LeaseWrite to the JSON of its base, so
// that everything the rules do not know (labels, other annotations, unknown fields) survives.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "election/fields.h"
#include "election/time.h"

namespace baton::election {

/// A revision of the store, or an object's resourceVersion: positive, compared as an integer (R6).
using Revision = std::int64_t;

/// A fencing token: 1 to kMaxToken (R7).
using Token = std::int64_t;
inline constexpr Token kMaxToken = 999'999'999'999'999'999;

/// The annotations of design section 3. Each key starts with kPrefix.
namespace annotation {
inline constexpr const char* kPrefix = "baton/";
inline constexpr const char* kFencingToken = "baton/fencing-token";
inline constexpr const char* kTerm = "baton/term";
inline constexpr const char* kAttempt = "baton/attempt";
inline constexpr const char* kDuration = "baton/duration";  // whole seconds
inline constexpr const char* kIncarnation = "baton/incarnation";
inline constexpr const char* kReleased = "baton/released";  // "<term id>/<leaseTransitions>"
inline constexpr const char* kDraining = "baton/draining";
inline constexpr const char* kLockDelay = "baton/lock-delay";  // whole seconds
inline constexpr const char* kAddress = "baton/address";
inline constexpr const char* kHolder = "baton/holder";
inline constexpr const char* kFormat = "baton/format";
// What people ask for: controls.h.
inline constexpr const char* kPauseUntil = "baton/pause-until";  // RFC 3339
inline constexpr const char* kResign = "baton/resign";  // the token of the term that is to end
inline constexpr const char* kHandOverTo =
    "baton/hand-over-to";  // "<Pod or identity>/<that token>"
}  // namespace annotation

/// An object as the codec read it; no rule looks into it.
struct Document;

/// One version of the Lease object.
struct Lease {
  std::string uid;
  std::optional<Revision> version;  // metadata.resourceVersion; empty: not a positive integer (R6)
  std::string holder;               // spec.holderIdentity; "" means unheld
  std::optional<std::int64_t> duration_s;  // spec.leaseDurationSeconds as found, also if absurd
  std::int64_t transitions = 0;            // spec.leaseTransitions
  std::string acquire_time;                // as found; shown to people, never compared with a clock
  std::string strategy;                    // coordinated election (R13); "" if absent
  std::string preferred_holder;            // coordinated election (R13); "" if absent
  Instant paused_until = kLongAgo;  // baton/pause-until, by who received it; kNever: unreadable
  bool being_deleted = false;       // metadata.deletionTimestamp is set
  std::map<std::string, std::string> annotations;  // the baton/* ones only
  std::string spec;  // the whole spec as canonical text: two versions with equal spec text,
                     // uid and baton/* annotations, the controls apart, are the same for R4
  std::shared_ptr<const Document> document;  // what a write is made from; null in the simulator

  /// The value of a baton/* annotation, "" if absent.
  const std::string& annotated(std::string_view key) const;

  // Without `document`, which no rule looks at.
  template <typename Self, typename Visit>
  static void visit_fields(Self& self, Visit visit) {
    auto& [uid, version, holder, duration_s, transitions, acquire_time, strategy, preferred_holder,
           paused_until, being_deleted, annotations, spec, document] = self;
    visit(
        "uid, version, holder, duration_s, transitions, acquire_time, strategy, "
        "preferred_holder, paused_until, being_deleted, annotations, spec",
        uid, version, holder, duration_s, transitions, acquire_time, strategy, preferred_holder,
        paused_until, being_deleted, annotations, spec);
  }
};

enum class WriteKind { create, acquire, renew, release };

/// A PUT that the election asks for. Create goes without uid and resourceVersion (R5), every other
/// kind with those of `base` (R1). The codec adds renewTime (now), acquireTime (now, for acquire)
/// and fieldManager.
struct LeaseWrite {
  WriteKind kind;
  Lease base;  // the version written over; for create an empty Lease
  std::string holder;
  std::int64_t duration_s = 0;
  std::int64_t transitions = 0;
  std::map<std::string, std::string> annotations;  // all baton/* of the result; others are removed

  BATON_FIELDS(kind, base, holder, duration_s, transitions, annotations)
};

const char* to_string(WriteKind kind);

}  // namespace baton::election
