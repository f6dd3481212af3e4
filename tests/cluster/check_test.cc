// `baton check` as people run it: on a good server every line is ok, and where one thing is wrong
// its line alone says so, with the mend.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "support/baton.h"
#include "support/cluster.h"
#include "support/proxy.h"
#include "support/text.h"

namespace baton::test {
namespace {

using nlohmann::json;

const std::string kElection = "e43";

std::string kubeconfig_of(const std::string& user) { return TestCluster::get().kubeconfig(user); }

std::string where_nobody_listens() {
  const std::string path = make_folder("unreachable") + "/kubeconfig";
  std::ofstream(path) << std::regex_replace(text_of(kubeconfig_of("candidate-0")),
                                            std::regex("127\\.0\\.0\\.1:\\d+"),
                                            "127.0.0.1:" + std::to_string(free_port()));
  return path;
}

std::string where_lists_are_slow() {
  static Proxy proxy;
  proxy.post(
      "/faults",
      {{"action", "delay_answer"}, {"verbs", {"list"}}, {"name", kElection}, {"delay_ms", 500}});
  return proxy.kubeconfig("candidate-0");
}

struct Case {
  const char* name;
  std::function<std::string()> kubeconfig;
  std::vector<std::string> flags;
  int code;
  const char* decisive;  // how the line begins
  const char* mend;
};
std::ostream& operator<<(std::ostream& out, const Case& one) { return out << one.name; }

class Check : public testing::TestWithParam<Case> {};

TEST_P(Check, ALineSaysWhatIsWrongAndTheMend) {
  const Case& wanted = GetParam();
  std::vector<std::string> command = {
      baton_program(), "check", "--kubeconfig=" + wanted.kubeconfig(), "--election=" + kElection};
  command.insert(command.end(), wanted.flags.begin(), wanted.flags.end());
  Process check(command, {}, make_folder("check") + "/log");
  const auto ended = check.wait();
  ASSERT_TRUE(ended.has_value()) << check.output();
  EXPECT_TRUE(!ended->by_signal && ended->code == wanted.code) << check.output();
  int decisive = 0;
  std::istringstream lines(check.output());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(wanted.decisive)) {
      ++decisive;
      EXPECT_TRUE(holds(line, wanted.mend)) << line;
    } else {
      // A machine that stood still between the server's look at the clock and ours is no fault.
      EXPECT_TRUE(line.starts_with("ok   ") || line.starts_with("note clock ")) << line;
    }
  }
  EXPECT_EQ(decisive, 1) << check.output();
}

// Whatever this machine is busy with, its latency is below these.
const std::vector<std::string> kPatient = {"--lease-duration=100s", "--renew-deadline=80s",
                                           "--renew-period=5s", "--request-timeout=20s"};
const Case kCases[] = {
    {"GoodServer", [] { return kubeconfig_of("candidate-0"); }, kPatient, 0,
     "ok   latency of 5 LISTs: median ", "request-timeout 20s"},
    {"NoWatch", [] { return kubeconfig_of("no-watch"); }, kPatient, 1,
     "FAIL right to watch leases e43: not granted, a release is noticed late",
     "allow watch on leases with resourceNames [e43] in a Role of namespace baton-test, and bind "
     "it to "},
    {"WrongCa", [] { return kubeconfig_of("wrong-ca"); }, kPatient, 1,
     "FAIL TLS: ", "give the CA that signed it and a server address that it names"},
    {"Unreachable", where_nobody_listens, kPatient, 1, "FAIL address 127.0.0.1:",
     "check the address, DNS and network policies (egress to the API server)"},
    {"TimingsBelowTheLatency",
     where_lists_are_slow,
     {"--profile=aggressive"},
     1,
     "FAIL latency of 5 LISTs: median ",
     "use a slower profile, or raise request-timeout, renew-deadline and lease-duration together"},
};
INSTANTIATE_TEST_SUITE_P(Against, Check, testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace baton::test
