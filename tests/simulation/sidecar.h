// One start of baton's process: an Election and what the runtime around it must do. Its requests
// and its watch go over the machine's link to the API server.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "election/election.h"
#include "observe/timeline.h"
#include "simulation/api_server.h"
#include "simulation/counts.h"
#include "simulation/invariants.h"
#include "simulation/world.h"

namespace baton::simulation {

/// A machine's way to the API server: each fault lasts until its time.
struct Link {
  Time out_cut_until{0};  // requests are lost
  Time in_cut_until{0};   // answers and events are lost, or come when it heals
  Time slow_until{0};     // up to 3 R more, each way
  Time lossy_until{0};    // three in ten lost, each way
  Time errors_until{0};   // answers are errors, some after the write was applied
  Time altered_until{0};  // answers show another object than the one stored
  Time repeats_until{0};  // a PUT may be delivered twice
  Time stale_until{0};    // the watch repeats old events
  Time mixed_until{0};    // the watch delivers events in another order
  Time stalled_until{0};  // watches fall silent
};

struct Machine {
  MachineClock clock;
  Link link = {};
  int front = 0;          // the API server that it talks to
  Time strobes_until{0};  // its wall clock jumps by an hour, forth and back
};

/// What an answer to the application says.
struct Answer {
  std::string term_id;
  election::Token token;
  Instant deadline;
  bool warming;
};

struct SidecarOptions {
  election::Options election;
  int pod;
  std::function<void()> asks;    // the application asks: called in the middle of a step sometimes
  std::function<void()> exited;  // the process ended by itself
  bool is_drawn = false;
  int ahead = 0;  // how many versions of baton: its record's format is that much higher
};

/// What comes back for a request. The Lease is shared until somebody is there to take it.
struct Reply {
  bool of_write = false;
  bool is_time_out = false;
  std::optional<election::Failure> failure = {};
  election::Revision revision = 0;
  LeaseView lease = {};
};

/// A PUT on its way.
struct Outgoing {
  election::SendWrite send;
  std::string body;
  Instant sent_at;
  int epoch;
};

/// One line of a watch.
struct Line {
  election::WatchId id;
  election::WatchEventKind kind;
  election::Revision revision;
  LeaseView lease;
};

class Sidecar {
 public:
  Sidecar(World& world, ApiServer& server, Invariants& invariants, Counts& counts, Machine& machine,
          SidecarOptions options);

  void start();
  void kill();
  void stop_until(Time until) { stopped_until_ = std::max(stopped_until_, until); }
  bool alive() const { return alive_; }
  bool stopped() const { return world_.now() < stopped_until_; }
  void deliver(const election::Event& event);
  /// As the local API answers: from the deadline at this moment. Empty: no.
  std::optional<Answer> ask();
  bool believes() const;
  const election::Status& status() const { return published_; }
  const std::string& name() const { return options_.election.identity; }
  ProcessId id() const { return id_; }
  void break_watch(election::FailureKind kind);
  void stall_watch() { watch_.deaf = true; }
  /// The API server that it talked to is gone.
  void lose_front(int front);
  void clock_changed();
  Duration clock_offset() const { return machine_.clock.offset; }
  /// What it did, in real time, if it is drawn.
  std::optional<observe::Lane> drawn();

 private:
  struct Watch {
    election::WatchId id = 0;
    devserver::Subscription subscription = 0;
    Time last{0};       // what comes next arrives after this
    Time overtaken{0};  // an event out of order arrives then: bookmarks wait for it
    int front = 0;
    bool open = false;
    bool deaf = false;  // the server sends, nothing arrives
    std::optional<Line> previous;
  };

  Instant local_now() const { return machine_.clock.local(world_.now()); }
  Duration delay();
  bool lost(Time cut_until);
  void step(const election::Event& event);
  void cross(election::State from, const election::Status& status);
  void act(election::Action& action);
  void saw(const election::Event& event);
  void count_rules(const election::Event& event);
  void wake(Instant at);
  void note(const election::Notice& notice);

  election::Lease shown(election::Lease lease) const;
  Instant pause_of(const std::string& text) const;
  void begin_request(election::RequestId id, bool is_write);
  std::optional<election::Failure> unreachable();
  void list(election::RequestId id);
  void write(election::SendWrite send);
  void serve_write(const Outgoing& put);
  void reply_to(const Outgoing& put, Reply reply);
  LeaseView altered(const LeaseView& lease, const Outgoing& put);
  void send_back(election::RequestId id, Reply reply);
  void answer(election::RequestId id, const Reply& reply);
  std::optional<election::Failure> error(bool applied);
  Duration wall_clock_error();
  void start_watch(election::WatchId id, election::Revision from);
  void stop_watch();
  void watched(election::WatchId id, const devserver::Change& change);
  void watch_delivers(Line line);
  void arrives(Time when, Line line);
  void watch_ends(election::WatchId id, election::FailureKind kind, const char* what);
  void watch_fails(election::WatchId id, Duration delay, election::FailureKind kind,
                   const char* what);
  void bookmark(election::WatchId id);

  World& world_;
  ApiServer& server_;
  Invariants& invariants_;
  Counts& counts_;
  Machine& machine_;
  SidecarOptions options_;
  election::Election election_;
  ProcessId id_;
  MachineClock clock_;  // of the machine that it runs on
  std::optional<observe::LaneTracer> tracer_;
  bool alive_ = false;
  Time stopped_until_{0};
  election::Status published_;
  Instant handed_out_ = election::kLongAgo;
  std::uint64_t wakes_ = 0;
  Instant wakes_at_ = election::kNever;
  election::RequestId outstanding_ = 0;
  bool has_outstanding_ = false;
  election::Revision highest_revision_ = 0;
  Watch watch_;
};

}  // namespace baton::simulation
