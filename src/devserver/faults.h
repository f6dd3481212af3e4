// The fault switches: what goes wrong, for whom, for how often or how long. One thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "http/message.h"

namespace baton::devserver {

enum class FaultKind {
  none,
  delay_request,     // seen by the store `delay` later, even if the client has gone
  delay_answer,      // seen at once, answered `delay` later
  drop_request,      // never seen, never answered; the connection stays open
  drop_answer,       // seen, never answered
  cut,               // never seen; the connection is closed
  cut_after_commit,  // seen; the connection is closed instead of an answer
  duplicate,         // seen twice, the second answer is sent; watch events come twice
  answer,            // never seen; answered with code, body, Retry-After as given
  truncate,          // seen; the second half of the body is missing
  alter,             // seen; `patch` (a JSON merge patch) changes every object in the answer
  stall,             // running watches fall silent, and stay so
  partition,         // drop_request and stall
  // What only the fault proxy of the tests does.
  hold_answer,  // seen, answered when the fault is deleted
  close_after,  // answered with Connection: close, as by a server that is going away
  slow,         // the answer and the events come at bytes_per_s
};

struct Fault {
  int id = 0;
  FaultKind kind = FaultKind::none;
  // Whom and what it meets; empty means every.
  std::string user, resource, name;
  std::vector<std::string> verbs;
  int skip = 0;            // lets so many pass first
  int count = 0;           // then meets so many; 0: all
  Instant until = kNever;  // and none after this
  bool is_spent = false;   // hold_answer: has met its count, and holds until it is deleted
  Duration delay{0};
  std::int64_t bytes_per_s = 1000;
  int code = 200;
  std::string retry_after, content_type, body;
  std::string patch;  // JSON text
};

struct Met {
  std::string user, verb, resource, name;
};

class Faults {
 public:
  /// `of_proxy`: of the fault proxy, which also delays and slows the events of running watches.
  explicit Faults(bool of_proxy = false) : of_proxy_(of_proxy) {}

  /// The fields as docs/devserver.md lists them. The error names the field.
  Result<int> add(const nlohmann::json& wish, Instant now);
  bool remove(int id);
  void clear() { faults_.clear(); }
  bool has(int id) const;
  nlohmann::json list() const;

  /// The first fault that meets this request, counted as met. Not stall.
  Fault for_request(const Met& met, Instant now);
  /// The first stall, partition, alter or duplicate for an event of a running watch. Not counted.
  Fault for_event(const Met& met, Instant now) const;

 private:
  bool acts_on_events(const Fault& fault) const;

  const bool of_proxy_;
  std::vector<Fault> faults_;
  int last_id_ = 0;
};

/// As the control port and the request log spell it.
const char* to_string(FaultKind kind);

/// What a fault that answers by itself answers.
http::Response answer_of(const Fault& fault);
/// Changes the object, or every item of the list, in an answer that carries any.
void alter(http::Response& response, const std::string& patch);

}  // namespace baton::devserver
