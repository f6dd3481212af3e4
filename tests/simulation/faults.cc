#include "simulation/faults.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace baton::simulation {

namespace annotation = election::annotation;

// Reaches into the simulation on behalf of the table below.
struct Faults {
  using Change = void (*)(LeaseParts, Simulation&);

  static World& world(Simulation& s) { return s.world_; }
  static Random& random(Simulation& s) { return s.world_.random(); }
  static ApiServer& server(Simulation& s) { return s.server_; }
  static Invariants& invariants(Simulation& s) { return s.invariants_; }
  static ForeignCandidate* foreign(Simulation& s) { return s.foreign_.get(); }
  static std::vector<std::unique_ptr<Replica>>& replicas(Simulation& s) { return s.replicas_; }
  static std::int64_t lease_duration_s(Simulation& s) {
    return std::chrono::duration_cast<std::chrono::seconds>(s.timings_.lease_duration).count();
  }

  static bool edit(Simulation& s, const char* what, Change change) {
    return s.server_.edit(what, [&](LeaseParts lease) { change(lease, s); });
  }
  // What nobody may contend for until somebody mends it.
  static bool edit_until(Simulation& s, const char* what, Time until, Change change) {
    s.world_.at(until, [&s] { s.server_.mend_record(); });
    return edit(s, what, change);
  }
  static Replica& anybody(Simulation& s) { return *random(s).pick(s.replicas_); }
  static Machine& machine(Replica& victim) { return victim.machine_; }
  static bool link(Simulation& s, Replica& victim, Time Link::*member, Time until) {
    Time& end = victim.link().*member;
    end = std::max(end, until);
    s.world_.say(victim.alive() ? victim.sidecar()->name() : "a dead sidecar",
                 " has a bad link until ", seconds(until));
    return victim.alive();
  }
  static bool restore(Simulation& s, election::Revision bump) {
    const Duration downtime =
        scaled(std::chrono::seconds(std::max(s.server_.longest_duration_s(), lease_duration_s(s))),
               1.0 / 0.9) +
        s.lock_delay_;
    if (s.world_.now() + downtime > s.faults_end_) {
      return false;
    }
    return s.server_.restore(random(s).between(1s, 25s), bump, downtime);
  }
};

namespace {

using F = Faults;

election::Token annotated(const LeaseParts& lease) {
  const auto found = lease.annotations.find(annotation::kFencingToken);
  return found == lease.annotations.end() ? 0
                                          : static_cast<election::Token>(std::strtoll(
                                                found->get<std::string>().c_str(), nullptr, 10));
}

void set_token(const LeaseParts& lease, election::Token token) {
  lease.annotations[annotation::kFencingToken] =
      std::to_string(std::max<election::Token>(token, 1));
}

bool partition(Simulation& s, Replica& victim, Time until) {
  F::link(s, victim, &Link::in_cut_until, until);
  return F::link(s, victim, &Link::out_cut_until, until);
}

bool outage(Simulation& s, Time until) {
  if (F::server(s).down()) {
    return false;
  }
  F::server(s).go_down_until(until);
  for (const auto& replica : F::replicas(s)) {
    if (replica->alive() && F::random(s).chance(0.7)) {
      replica->sidecar()->break_watch(election::FailureKind::unknown);
    } else if (replica->alive()) {
      replica->sidecar()->stall_watch();
    }
  }
  return true;
}

// One of the two API servers; everybody's watch on it breaks. The other one's cache may lag.
bool fail_over(Simulation& s, Replica& victim, Time until) {
  const int front = F::machine(victim).front;
  if (F::server(s).down(front)) {
    return false;
  }
  F::server(s).fall(front, until);
  if (F::random(s).chance(0.7)) {
    F::server(s).fall_behind(1 - front, F::random(s).between(0s, 2 * (until - F::world(s).now())),
                             until);
  }
  for (const auto& replica : F::replicas(s)) {
    if (replica->alive()) {
      replica->sidecar()->lose_front(front);
    }
  }
  return true;
}

bool lag(Simulation& s, Replica& victim, Time until) {
  const Duration lag = F::random(s).between(0s, std::chrono::seconds(F::lease_duration_s(s)));
  F::server(s).fall_behind(F::machine(victim).front, lag, until);
  return true;
}

bool break_watch(Simulation& s, Replica& victim) {
  using election::FailureKind;
  static const std::vector<FailureKind> kKinds = {FailureKind::unknown, FailureKind::garbled,
                                                  FailureKind::unavailable, FailureKind::throttled};
  if (victim.alive()) {
    victim.sidecar()->break_watch(F::random(s).pick(kKinds));
  }
  return victim.alive();
}

// Cut off for long enough that somebody else leads, it is told to stop: its release clears whoever
// holds the Lease.
bool cut_off_foreign(Simulation& s, Time until) {
  ForeignCandidate* foreign = F::foreign(s);
  if (foreign == nullptr || !foreign->leads()) {
    return false;
  }
  foreign->cut_off(until);
  F::world(s).at(until, [foreign] { foreign->cancel(); });
  return true;
}

bool advance(Simulation& s, Replica& victim) {
  const election::Token more = F::random(s).chance(0.5) ? 5 : 10'000'000;
  if (!victim.believes()) {
    return false;
  }
  victim.tell(election::AdvanceToken{F::invariants(s).highest_acquired() + more});
  return true;
}

bool unhealthy(Simulation& s, Replica& victim, Time until) {
  if (!victim.alive()) {
    return false;
  }
  victim.tell(election::ApplicationHealth{false, "injected"});
  Sidecar* sidecar = victim.sidecar();
  F::world(s).at(until, [sidecar] { sidecar->deliver(election::ApplicationHealth{true, ""}); });
  return true;
}

bool recreate(Simulation& s) {
  if (!F::server(s).remove("delete, to create again")) {
    return false;
  }
  Random& random = F::random(s);
  const std::int64_t duration = random.chance(0.5) ? 1 : F::lease_duration_s(s);
  return F::server(s).create(random.chance(0.5) ? "" : "somebody-else", duration,
                             random.chance(0.5));
}

void absurd(LeaseParts lease, Simulation& s) {
  const bool negative = F::random(s).chance(0.5);
  lease.spec["leaseDurationSeconds"] = negative ? -5 : 1'000'000'000;
  if (!negative) {
    F::invariants(s).not_covered(Limit::over_an_hour);
  }
}

// By kubectl annotate. Most of them mean what they say; the others are slips.
bool ask(Simulation& s, const char* what, const char* key, const std::string& value) {
  F::world(s).say("somebody asks: ", key, '=', value);
  return F::server(s).edit(what, [&](LeaseParts lease) { lease.annotations[key] = value; });
}

bool ask_to_pause(Simulation& s, Time until) {
  static const std::vector<std::string> kSlips = {"tomorrow", "2026-01-01T00:00:00Z",
                                                  "2026-01-03T00:00:00Z"};
  Random& random = F::random(s);
  const bool slips = random.chance(0.3);
  if (random.chance(0.3)) {
    F::world(s).at(random.between(F::world(s).now(), until), [&s] {
      F::server(s).edit("end the pause",
                        [](LeaseParts lease) { lease.annotations.erase(annotation::kPauseUntil); });
    });
  }
  return ask(s, "pause", annotation::kPauseUntil,
             slips ? random.pick(kSlips) : ApiServer::clock_text(until));
}

// Of the term that the record shows, or of another one.
std::string token_to_ask(Simulation& s) {
  const auto object = F::server(s).get();
  const bool has_token =
      object != nullptr && object->contains("/metadata/annotations"_json_pointer);
  Random& random = F::random(s);
  if (!has_token || random.chance(0.2)) {
    return random.chance(0.5) ? std::to_string(F::invariants(s).highest_acquired() + 1) : "x";
  }
  return object->at("metadata").at("annotations").value(annotation::kFencingToken, "");
}

// To a Pod that is there, or to one that is gone.
bool ask_to_hand_over(Simulation& s, Replica& to) {
  const bool is_there = to.alive() && F::random(s).chance(0.6);
  const std::string name = is_there ? to.sidecar()->name() : "gone_1";
  return ask(s, "hand over", annotation::kHandOverTo,
             name.substr(0, name.find('_')) + '/' + token_to_ask(s));
}

bool tell(Replica& victim, const election::Event& event) {
  victim.tell(event);
  return victim.alive();
}

bool strip(Simulation& s, Time until) {
  static const std::vector<const char*> kKeys = {annotation::kTerm,         annotation::kAttempt,
                                                 annotation::kFencingToken, annotation::kDuration,
                                                 annotation::kHolder,       annotation::kReleased};
  F::server(s).strip({F::random(s).pick(kKeys)}, until);
  return true;
}

}  // namespace

// clang-format off
const std::vector<Fault>& all_faults() {
  using S = Simulation;
  using R = Replica;
  static const std::vector<Fault> kFaults = {
      {"sidecar stopped (F1)", [](S&, R& v, Time until) { return v.stop_sidecar(until); }},
      {"application stopped (F2)", [](S&, R& v, Time until) { return v.stop_application(until); }},
      {"both stopped (F3)", [](S&, R& v, Time until) { v.stop_application(until); return v.stop_sidecar(until); }},
      {"machine frozen with its clocks (F4)", [](S& s, R& v, Time until) { return v.freeze_machine(until - F::world(s).now()); }},
      {"wall clock strobes (F5)", [](S&, R& v, Time until) { v.strobe_wall_clock(until); return true; }},
      {"partition (F7, F8)", [](S& s, R& v, Time until) { return partition(s, v, until); }},
      {"requests lost (F7)", [](S& s, R& v, Time until) { return F::link(s, v, &Link::out_cut_until, until); }},
      {"answers lost (F7, F11)", [](S& s, R& v, Time until) { return F::link(s, v, &Link::in_cut_until, until); }},
      {"slow link (F9, F10)", [](S& s, R& v, Time until) { return F::link(s, v, &Link::slow_until, until); }},
      {"lossy link (F11)", [](S& s, R& v, Time until) { return F::link(s, v, &Link::lossy_until, until); }},
      {"PUTs repeated (F12)", [](S& s, R& v, Time until) { return F::link(s, v, &Link::repeats_until, until); }},
      {"error answers (F13)", [](S& s, R& v, Time until) { return F::link(s, v, &Link::errors_until, until); }},
      {"altered answers (F27)", [](S& s, R& v, Time until) { return F::link(s, v, &Link::altered_until, until); }},
      {"webhook strips annotations (F27)", [](S& s, R&, Time until) { return strip(s, until); }},
      {"API server fails over (F14)", [](S& s, R& v, Time until) { return fail_over(s, v, until); }},
      {"outage (F14, F15)", [](S& s, R&, Time until) { return outage(s, until); }},
      {"watch stalled (F18)", [](S& s, R& v, Time until) { if (v.alive()) { v.sidecar()->stall_watch(); } return F::link(s, v, &Link::stalled_until, until); }},
      {"watch broken (F18)", [](S& s, R& v, Time) { return break_watch(s, v); }},
      {"history compacted (F18)", [](S& s, R& v, Time) { if (v.alive()) { v.sidecar()->break_watch(election::FailureKind::gone); } return F::server(s).compact(); }},
      {"events repeated (F18)", [](S& s, R& v, Time until) { return F::link(s, v, &Link::stale_until, until); }},
      {"events out of order (F19)", [](S& s, R& v, Time until) { return F::link(s, v, &Link::mixed_until, until); }},
      {"watch cache lags (F19)", [](S& s, R& v, Time until) { return lag(s, v, until); }},
      {"Lease deleted (F20)", [](S& s, R&, Time) { return F::server(s).remove("delete"); }},
      {"Lease re-created (F20)", [](S& s, R&, Time) { return recreate(s); }},
      {"acquisition undone (F20, F21)", [](S& s, R& v, Time until) { F::server(s).ambush_until(until); v.tell(election::Resign{}); return true; }},
      {"create forbidden (F20)", [](S& s, R&, Time until) { F::server(s).forbid_create(until); return F::server(s).remove("delete"); }},
      {"holder cleared (F21)", [](S& s, R&, Time) { return F::edit(s, "clear the holder", [](LeaseParts l, S&) { l.spec["holderIdentity"] = ""; }); }},
      {"holder replaced (F21)", [](S& s, R&, Time) { return F::edit(s, "another holder", [](LeaseParts l, S& t) { if (F::random(t).chance(0.3)) { l.annotations.erase(annotation::kDuration); } l.spec["holderIdentity"] = "somebody-else"; l.spec["leaseDurationSeconds"] = F::random(t).chance(0.5) ? 1 : F::lease_duration_s(t); }); }},
      {"duration shortened (F21)", [](S& s, R&, Time) { return F::edit(s, "shorten", [](LeaseParts l, S&) { l.spec["leaseDurationSeconds"] = 1; }); }},
      {"duration lengthened (F21)", [](S& s, R&, Time) { return F::edit(s, "lengthen", [](LeaseParts l, S& t) { l.spec["leaseDurationSeconds"] = 2 * F::lease_duration_s(t); }); }},
      {"duration removed (F21)", [](S& s, R&, Time) { return F::edit(s, "no duration", [](LeaseParts l, S&) { l.spec.erase("leaseDurationSeconds"); }); }},
      {"duration absurd (F21)", [](S& s, R&, Time until) { return F::edit_until(s, "absurd duration", until, absurd); }},
      {"spec removed (F21)", [](S& s, R&, Time) { return F::edit(s, "no spec", [](LeaseParts l, S&) { l.spec = nlohmann::json::object(); }); }},
      {"annotations dropped (F21)", [](S& s, R&, Time) { return F::edit(s, "drop annotations", [](LeaseParts l, S&) { l.annotations.clear(); }); }},
      {"label changed (F21)", [](S& s, R&, Time) { return F::edit(s, "label", [](LeaseParts l, S& t) { l.metadata["labels"]["x"] = std::to_string(F::random(t).below(1000)); }); }},
      {"strategy set (F21)", [](S& s, R&, Time until) { return F::edit_until(s, "strategy", until, [](LeaseParts l, S& t) { l.spec["strategy"] = "OldestEmulationVersion"; if (F::random(t).chance(0.5)) { l.spec["preferredHolder"] = "x"; } }); }},
      {"deletionTimestamp set (F21)", [](S& s, R&, Time until) { return F::edit_until(s, "deleting", until, [](LeaseParts l, S&) { l.metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"; }); }},
      {"format of the future (F21)", [](S& s, R&, Time) { return F::edit(s, "format 2", [](LeaseParts l, S&) { l.annotations[annotation::kFormat] = "2"; }); }},
      {"token raised (F21)", [](S& s, R&, Time) { return F::edit(s, "raise the token", [](LeaseParts l, S&) { set_token(l, std::min(annotated(l), election::kMaxToken / 2) + 10'000'000); }); }},
      {"token lowered (F21)", [](S& s, R&, Time) { return F::edit(s, "lower the token", [](LeaseParts l, S& t) { set_token(l, annotated(l) - (F::random(t).chance(0.5) ? 1 : 100)); }); }},
      {"token invalid (F21)", [](S& s, R&, Time until) { return F::edit_until(s, "invalid token", until, [](LeaseParts l, S& t) { l.annotations[annotation::kFencingToken] = F::random(t).chance(0.5) ? "x" : "9999999999999999999"; }); }},
      {"restored with bump (F22)", [](S& s, R&, Time) { return F::restore(s, 1'000'000); }},
      {"restored without bump (F22)", [](S& s, R&, Time) { return F::restore(s, 0) && (F::invariants(s).not_covered(Limit::restored_below), true); }},
      {"sidecar killed (F23, F24)", [](S&, R& v, Time) { return v.kill_sidecar(); }},
      {"Pod killed (F23, F24)", [](S&, R& v, Time) { return v.kill_pod(); }},
      {"client-go stopped (F25)", [](S& s, R&, Time) { return F::foreign(s) != nullptr && F::foreign(s)->cancel(); }},
      {"client-go cut off (F25)", [](S& s, R&, Time until) { return cut_off_foreign(s, until); }},
      {"client-go killed (F25)", [](S& s, R&, Time) { return F::foreign(s) != nullptr && (F::foreign(s)->leave(), F::foreign(s)->start(), true); }},
      {"Pod terminated (F29)", [](S&, R& v, Time) { return v.terminate_pod(); }},
      {"container replaced (F29)", [](S&, R& v, Time) { return v.replace_container(); }},
      {"resign", [](S&, R& v, Time) { return tell(v, election::Resign{}); }},
      {"announce", [](S&, R& v, Time) { return tell(v, election::Announce{}); }},
      {"pause asked for", [](S& s, R&, Time until) { return ask_to_pause(s, until); }},
      {"resign asked for", [](S& s, R&, Time) { return ask(s, "resign", annotation::kResign, token_to_ask(s)); }},
      {"hand-over asked for", [](S& s, R&, Time) { return ask_to_hand_over(s, F::anybody(s)); }},
      {"token advanced", [](S& s, R& v, Time) { return advance(s, v); }},
      {"application unhealthy", [](S& s, R& v, Time until) { return unhealthy(s, v, until); }},
  };
  return kFaults;
}
// clang-format on

const std::map<int, std::string>& left_to_other_tests() {
  static const std::map<int, std::string> kLeft = {
      {16, "certificates, here there is no TLS"},
      {17, "the service account's token, here there are no credentials"},
      {26, "exhausted descriptors, memory and disks, and crowds of clients"},
      {28, "threads and hooks that hang: the election has none"},
  };
  return kLeft;
}

}  // namespace baton::simulation
