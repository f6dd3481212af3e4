// What several candidates did, on one time axis, as plain data and as a drawing. A replay fills it
// from recordings, a simulation from its own steps.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "election/action.h"
#include "election/event.h"
#include "election/status.h"

namespace baton::observe {

/// Something that lasted.
struct Bar {
  enum class Kind {
    belief,          // answers yes: [reply, deadline), cut where it ended sooner
    draining,        // answers no, the Lease not yet released
    request,         // answered as hoped, or still under way at the end
    failed_request,  // refused, cut or not answered in time
    watch,           // a watch was open
    stall,           // the process did not run, or was not recorded
    fault,           // what somebody did to it
  };
  Kind kind;
  Instant from, until;
  std::string label = {};  // drawn where there is room
  std::string tip = {};    // shown by the reader's pointer
};

/// Something that happened at once.
struct Mark {
  enum class Kind { gained, lost, released, watch_ended, alarm };
  Kind kind;
  Instant at;
  std::string tip;
};

struct Lane {
  std::string name;
  std::vector<Bar> bars;
  std::vector<Mark> marks;
};

struct Timeline {
  std::string title;
  std::vector<std::string> notes;  // one line each, below the title
  std::vector<Lane> lanes;
};

/// Leaves out what ended before `from`.
void cut(Timeline& timeline, Instant from);

/// A self-contained SVG without scripts, for light and dark screens. Times count from the earliest
/// one drawn; beliefs of two lanes at once are marked. Texts may hold anything.
std::string to_svg(const Timeline& timeline);

/// Fills a lane from the steps of one election, fed in their order.
class LaneTracer {
 public:
  /// `to_axis` brings the candidate's time onto the common axis; none: it is on it already.
  explicit LaneTracer(std::string name, std::function<Instant(Instant)> to_axis = nullptr);

  void step(const election::Event& event, Instant now, const election::Step& step,
            const election::Status& status);
  /// Nothing is known of what happened between the last step and the next.
  void gap(std::string why);
  /// What is open ends with the last step, a belief with its deadline.
  Lane finish();

 private:
  struct Request {
    std::string what;
    Instant sent;
  };
  /// A belief or a draining under way.
  struct Tenure {
    Bar bar;
    std::string term_id;
  };

  Instant axis(Instant at) const { return to_axis_ ? to_axis_(at) : at; }
  void add(Bar::Kind kind, Instant from, Instant until, std::string label, std::string tip);
  void answered(election::RequestId id, Instant now, const std::string& failure);
  void watch_ended(Instant now, const std::string& why);
  void follow(std::optional<Tenure>& tenure, Bar::Kind kind, bool is_on, Instant now,
              const election::Status& status);
  void note(const election::Notice& notice, Instant now);

  const std::function<Instant(Instant)> to_axis_;
  Lane lane_;
  std::map<election::RequestId, Request> requests_;
  std::optional<Instant> watch_from_;
  std::optional<Tenure> belief_, draining_;
  Instant last_ = kLongAgo;  // the last step
  Instant wake_at_ = kNever;
  std::string gap_;  // why the steps before the next one are not known; "" if they are
};

}  // namespace baton::observe
