// `baton check --measure` as people run it: which Lease it writes to and which it leaves alone,
// what it says of servers that fail while it measures, and how it is ended.
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "support/baton.h"
#include "support/cluster.h"
#include "support/proxy.h"
#include "support/text.h"

namespace baton::test {
namespace {

using nlohmann::json;

// Whatever this machine is busy with, it fits these.
const std::vector<std::string> kRoomy = {"--lease-duration=100s", "--renew-deadline=80s",
                                         "--renew-period=5s", "--request-timeout=20s"};

Proxy& proxy() {
  static Proxy the_proxy;
  return the_proxy;
}

class Measure : public testing::Test {
 protected:
  Measure() { remove(measured_); }

  std::unique_ptr<Process> start(const std::string& length, const std::string& kubeconfig,
                                 const std::vector<std::string>& flags = kRoomy) {
    std::vector<std::string> command = {baton_program(),
                                        "check",
                                        "--measure",
                                        length,
                                        "--election",
                                        election_,
                                        "--kubeconfig=" + kubeconfig};
    command.insert(command.end(), flags.begin(), flags.end());
    return std::make_unique<Process>(command, Process::Environment{},
                                     make_folder("check") + "/log");
  }
  std::string own() { return TestCluster::get().kubeconfig("candidate-0"); }

  static int code_of(Process& check) {
    const auto ended = check.wait();
    return ended && !ended->by_signal ? ended->code : -1;
  }

  /// "null" as long as there is none.
  json lease(const std::string& name) {
    const Answer answer = admin_.get(kLeases + "/" + name);
    return answer.status == 200 ? answer.json() : json();
  }
  bool has_written(std::int64_t times) {
    return wait_until([&] {
      const json::json_pointer mark("/metadata/annotations/baton~1measurement");
      const json found = lease(measured_);
      return found.contains(mark) &&
             parse_integer(found.at(mark).get<std::string>(), times, INT64_MAX);
    });
  }
  void remove(const std::string& name) { admin_.remove(kLeases + "/" + name); }

  Api admin_{"admin"};
  const std::string election_ = TestCluster::get().new_election();
  const std::string measured_ = election_ + "-measure";
};

std::string line_with(const std::string& output, const std::string& beginning) {
  for (const std::string& line : lines_of(output)) {
    if (line.starts_with(beginning)) return line;
  }
  return "";
}

TEST_F(Measure, TheElectionsLeaseIsNotTouched) {
  const json spec = {{"holderIdentity", "somebody"}, {"leaseDurationSeconds", 15}};
  const json held = admin_.put(kLeases + "/" + election_, lease_body(election_, spec)).json();
  for (const char* before : {"missing", "left by the first"}) {
    const auto check = start("1s", own());
    EXPECT_EQ(code_of(*check), 0) << before << "\n" << check->output();
    for (const char* beginning :
         {"ok   measuring for 1s with ten writes a second to Lease ", "ok   longest pause ",
          "ok   the present timings fit", "flags: ", "YAML:  {lease-duration: "}) {
      EXPECT_NE(line_with(check->output(), beginning), "") << beginning << check->output();
    }
    EXPECT_EQ(lease(election_), held) << before;
    EXPECT_EQ(lease(measured_)["spec"].value("holderIdentity", ""), "");
  }
}

TEST_F(Measure, ALeaseThatNoMeasurementMadeIsLeftAlone) {
  const json by_baton = {{"baton/format", "1"}, {"baton/attempt", "a"}, {"baton/duration", "15"}};
  json taken_over = by_baton;
  taken_over["baton/measurement"] = "7";
  const std::pair<json, std::string> cases[] = {{json::object(), "somebody"},
                                                {json::object(), ""},
                                                {by_baton, ""},
                                                {taken_over, ""},
                                                {{{"baton/measurement", "7"}}, "somebody"}};
  for (const auto& [annotations, holder] : cases) {
    remove(measured_);
    json body = lease_body(measured_, {{"holderIdentity", holder}, {"leaseDurationSeconds", 15}});
    body["metadata"]["annotations"] = annotations;
    const json before = admin_.put(kLeases + "/" + measured_, body).json();
    const auto check = start("1s", own());
    EXPECT_EQ(code_of(*check), 1) << check->output();
    const std::string line = line_with(check->output(), "FAIL measurement: ended after ");
    EXPECT_TRUE(holds(line, "was not made by a measurement (" +
                                (holder.empty() ? "nobody holds it" : "held by " + holder) +
                                ") and is left alone; delete it if nobody elects through it"))
        << check->output();
    EXPECT_EQ(lease(measured_), before);
  }
}

TEST_F(Measure, AnotherWriterEndsIt) {
  const auto check = start("1h", own());
  ASSERT_TRUE(has_written(3)) << check->output();
  admin_.patch(kLeases + "/" + measured_, {{"metadata", {{"labels", {{"by", "hand"}}}}}});
  EXPECT_EQ(code_of(*check), 1);
  EXPECT_TRUE(holds(line_with(check->output(), "FAIL measurement: "),
                    "somebody else writes this Lease: measure from one place at a time"))
      << check->output();
}

TEST_F(Measure, AMissingRightIsOneLineWithTheMend) {
  const auto check = std::make_unique<Process>(
      std::vector<std::string>{baton_program(), "check", "--measure=1s", "--election=bench",
                               "--kubeconfig=" + own()},
      Process::Environment{}, make_folder("check") + "/log");
  EXPECT_EQ(code_of(*check), 1);
  const std::string user =
      TestCluster::get().is_real() ? "--serviceaccount=baton-test:candidate-0" : "--user=NAME";
  EXPECT_EQ(
      line_with(check->output(), "FAIL measurement: "),
      "FAIL measurement: it writes to a Lease of its own, bench-measure, so that it disturbs no "
      "election, and this identity may not list, watch, update, create that one; for as long as "
      "you measure: kubectl --namespace=baton-test create role bench-measure "
      "--verb=list,watch,update,create --resource=leases.coordination.k8s.io "
      "--resource-name=bench-measure && kubectl --namespace=baton-test create rolebinding "
      "bench-measure --role=bench-measure " +
          user)
      << check->output();
}

TEST_F(Measure, ASignalEndsItWithWhatWasSeen) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const auto check = start("1h", own());
    ASSERT_TRUE(has_written(5)) << check->output();
    check->send(signal);
    EXPECT_EQ(code_of(*check), 128 + signal) << check->output();
    EXPECT_NE(line_with(check->output(), signal == SIGINT ? "note measurement: ended by SIGINT "
                                                          : "note measurement: ended by SIGTERM "),
              "")
        << check->output();
    EXPECT_NE(line_with(check->output(), "flags: "), "") << check->output();
    remove(measured_);
  }
}

TEST_F(Measure, AServerThatGoesAwayEndsIt) {
  const auto check = start("1h", proxy().kubeconfig("candidate-0"));
  ASSERT_TRUE(has_written(5)) << check->output();
  proxy().post("/listener", {{"open", false}});
  EXPECT_EQ(code_of(*check), 1);
  proxy().post("/listener", {{"open", true}});
  EXPECT_NE(line_with(check->output(), "FAIL measurement: ended after "), "") << check->output();
  EXPECT_NE(line_with(check->output(), "ok   longest pause "), "") << check->output();
}

struct BadServer {
  const char* name;
  json fault;
  const char* reason;
};
std::ostream& operator<<(std::ostream& out, const BadServer& one) { return out << one.name; }

class MeasureOf : public Measure, public testing::WithParamInterface<BadServer> {};

// The first five of each kind are answered well.
TEST_P(MeasureOf, AServerThatFailsEndsItWithTheReason) {
  json fault = GetParam().fault;
  fault["name"] = measured_;
  const Proxy::Fault bad(proxy(), fault);
  const auto check = start("3s", proxy().kubeconfig("candidate-0"), {});
  EXPECT_EQ(code_of(*check), 1) << check->output();
  const std::string line = line_with(check->output(), "FAIL measurement: ended after ");
  EXPECT_TRUE(holds(line, GetParam().reason)) << check->output();
  EXPECT_TRUE(holds(line, "; nothing is recommended from what was cut short")) << line;
  EXPECT_NE(line_with(check->output(), "ok   longest pause "), "") << check->output();
  EXPECT_EQ(line_with(check->output(), "flags: "), "") << check->output();
}

json on_writes(const json& more) {
  json fault = {{"verbs", {"update"}}, {"skip", 5}};
  fault.update(more);
  return fault;
}
json answering(int code) {
  return on_writes({{"action", "answer"}, {"code", code}, {"body", R"({"message":"no"})"}});
}

const BadServer kBadServers[] = {
    {"Forbids", answering(403), ": 403: no; bind the Role"},
    {"Throttles", answering(429), ": 429: no"},
    {"IsBroken", answering(500), ": 500: no"},
    {"IsSilent", on_writes({{"action", "drop_answer"}}), " without an answer"},
    {"IsTooSlow", on_writes({{"action", "delay_answer"}, {"delay_ms", 60000}}),
     " when the time was over, after "},
    {"Cuts", on_writes({{"action", "cut"}}), "update lease baton-test/"},
    {"CutsAfterwards", on_writes({{"action", "cut_after_commit"}}), "update lease baton-test/"},
    {"AnswersHalf", on_writes({{"action", "truncate"}}), "the answer is no JSON object"},
    {"HidesWhatIsWritten",
     on_writes({{"action", "alter"}, {"patch", {{"spec", {{"holderIdentity", "x"}}}}}}),
     "does not show it as written"},
    {"ListsBadly",
     {{"action", "answer"}, {"verbs", {"list"}}, {"skip", 2}, {"code", 503}},
     "list lease baton-test/"},
    {"WatchIsSilent", {{"action", "stall"}}, ": no event of a write for "},
    {"WatchIsRefused",
     {{"action", "answer"}, {"verbs", {"watch"}}, {"code", 500}},
     "watch lease baton-test/"},
};
INSTANTIATE_TEST_SUITE_P(While, MeasureOf, testing::ValuesIn(kBadServers),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace baton::test
