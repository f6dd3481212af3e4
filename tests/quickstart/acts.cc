#include "quickstart/acts.h"

#include <functional>

namespace baton::quickstart {
namespace {

using test::boottime_ns;
using test::wait_until;

/// One act: `begin` ends the leadership of `leader`, `end` restores the stage. Both return "" or
/// what went wrong.
struct Act {
  std::string name;
  std::function<std::string(Stage&, Replica& leader)> begin;
  std::function<std::string(Stage&, Replica& leader)> end;
  bool answers = true;  // a stopped process takes connections but answers nothing: it is not asked
};

std::string nothing(Stage&, Replica&) { return ""; }

std::string resign(Stage&, Replica& leader) {
  const int status = leader.post("/resign?drained=true&wait=10s");
  return status == 200 ? "" : "resign was answered " + std::to_string(status);
}

std::string kill_leader(Stage&, Replica& leader) {
  leader.process().send(SIGKILL);
  return leader.process().wait() ? "" : "it did not die";
}

std::string restart(Stage&, Replica& leader) {
  leader.start();
  return wait_until([&] { return leader.ask().state == "following"; }) ? ""
                                                                       : "it did not come back";
}

std::string freeze(Stage&, Replica& leader) {
  leader.ask();  // so that the connection is open before the stop
  leader.process().send(SIGSTOP);
  return "";
}

/// The first answer over the connection that was open all the time must be no.
std::string thaw(Stage&, Replica& leader) {
  leader.process().send(SIGCONT);
  const Answer first = leader.ask();
  return first.leads ? "its first answer after it went on was yes" : "";
}

std::string cut_off(Stage& stage, Replica& leader) {
  const std::string user = "candidate-" + leader.name().substr(leader.name().size() - 1);
  return stage.control("POST", "/faults", R"({"action": "partition", "user": ")" + user + "\"}")
             ? ""
             : "the fault was refused";
}

std::string heal(Stage& stage, Replica& leader) {
  if (!stage.control("DELETE", "/faults")) return "the fault could not be taken back";
  return wait_until([&] { return leader.ask().state == "following"; }) ? "" : "it did not recover";
}

std::string delete_lease(Stage& stage, Replica&) {
  return stage.control("DELETE", "/objects/leases/e0") ? "" : "the Lease could not be deleted";
}

/// A leader of another term than that of `token`, `left_out` not asked. Null if none came.
Replica* next_leader(Stage& stage, const std::string& token, const Replica* left_out,
                     Answer& answer) {
  Replica* found = nullptr;
  wait_until([&] {
    for (auto& replica : stage.replicas()) {
      if (replica.get() == left_out || !replica->running()) continue;
      answer = replica->ask();
      if (answer.leads && answer.token != token) {
        found = replica.get();
        return true;
      }
    }
    return false;
  });
  return found;
}

}  // namespace

std::vector<Row> play(Stage& stage) {
  const std::vector<Act> acts = {
      {"the leader resigns", resign, nothing},
      {"the leader is killed with SIGKILL", kill_leader, restart},
      {"the leader is stopped past its deadline and continued", freeze, thaw, false},
      {"the leader is cut off from the API server", cut_off, heal},
      {"the Lease is deleted", delete_lease, nothing},
  };
  std::vector<Row> rows;
  Answer now;
  Replica* leader = next_leader(stage, "", nullptr, now);
  for (const Act& act : acts) {
    Row row;
    row.done = act.name;
    row.before = now.token;
    if (leader == nullptr) {
      row.failure = "nobody led before";
    } else {
      Replica& old = *leader;
      row.from_ns = boottime_ns();
      row.failure = act.begin(stage, old);
      leader = next_leader(stage, row.before, act.answers ? nullptr : &old, now);
      row.until_ns = boottime_ns();
      row.after = now.token;
      if (row.failure.empty() && leader == nullptr) row.failure = "no next leader";
      const std::string end = act.end(stage, old);
      if (row.failure.empty()) row.failure = end;
    }
    rows.push_back(row);
    if (!row.failure.empty()) break;
  }
  return rows;
}

}  // namespace baton::quickstart
