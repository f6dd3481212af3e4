// The fault proxy itself, asked by a plain client: what every other test here rests on.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>

#include "stage.h"

namespace baton::test {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

const std::string kList = kLeases + "?fieldSelector=metadata.name%3De45";

Api client() { return Api::at(proxy().kubeconfig("candidate-0")); }

json on_e45(const char* action, const json& more = json::object()) {
  json fault = {{"action", action}, {"name", "e45"}};
  fault.update(more);
  return fault;
}

TEST(FaultProxy, SendsOnWhatNoFaultMeets) {
  Api direct("candidate-0");
  Api through = client();
  const Answer answer = through.get(kList);
  EXPECT_EQ(answer.status, 200) << answer.what;
  EXPECT_EQ(answer.json()["kind"], "LeaseList");
  EXPECT_EQ(through.get(kPods).status, direct.get(kPods).status);  // the client's own rights
  EXPECT_TRUE(through.get(kList).reused_connection);
  const json seen = proxy().get("/requests").back();
  EXPECT_EQ(seen["user"], "candidate-0");
  EXPECT_EQ(seen["verb"], "list");
  EXPECT_EQ(seen["name"], "e45");
  EXPECT_EQ(seen["status"], 200);
}

TEST(FaultProxy, DelaysHoldsCutsAndAlters) {
  Api through = client();
  {
    const Proxy::Fault fault(proxy(), on_e45("delay_answer", {{"delay_ms", 300}}));
    const std::int64_t asked_ns = boottime_ns();
    EXPECT_EQ(through.get(kList).status, 200);
    EXPECT_GE(boottime_ns() - asked_ns, 300'000'000);
  }
  {
    auto held = std::make_unique<Proxy::Fault>(proxy(), on_e45("hold_answer"));
    auto answer = std::async(std::launch::async, [&] { return through.get(kList).status; });
    EXPECT_EQ(answer.wait_for(milliseconds(300)), std::future_status::timeout);
    held.reset();
    EXPECT_EQ(answer.get(), 200);
  }
  for (const char* action : {"cut", "cut_after_commit"}) {
    const Proxy::Fault fault(proxy(), on_e45(action));
    const Answer cut = through.get(kList);
    EXPECT_EQ(cut.status, 0) << action;
    EXPECT_NE(cut.what.find("closed by the peer"), std::string::npos) << cut.what;
  }
  {
    const Proxy::Fault fault(proxy(), on_e45("truncate"));
    EXPECT_TRUE(through.get(kList).json().is_discarded());
  }
  {
    const Proxy::Fault fault(proxy(), on_e45("slow", {{"bytes_per_s", 500}}));
    const std::int64_t asked_ns = boottime_ns();
    const Answer answer = through.get(kList);
    EXPECT_GE(boottime_ns() - asked_ns,
              static_cast<std::int64_t>(answer.body.size()) * 1'900'000);  // 2 ms for each byte
  }
  {
    const Proxy::Fault fault(proxy(), on_e45("close_after"));
    EXPECT_EQ(http::header(through.get(kList).headers, "Connection"), "close");
    EXPECT_FALSE(through.get(kList).reused_connection);
  }
  {
    const Proxy::Fault fault(proxy(), on_e45("answer", {{"code", 429}, {"retry_after", "7"}}));
    const Answer answer = through.get(kList);
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(http::header(answer.headers, "Retry-After"), "7");
  }
  EXPECT_EQ(through.get(kList).status, 200);
}

TEST(FaultProxy, RefusesConnectionsAndChangesItsCertificate) {
  Api through = client();
  proxy().post("/listener", {{"open", false}});
  EXPECT_NE(through.get(kList).what.find("Connection refused"), std::string::npos);
  proxy().post("/listener", {{"open", true}});
  EXPECT_EQ(through.get(kList).status, 200);
  proxy().post("/certificate", {{"authority", "stranger"}});
  EXPECT_NE(client().get(kList).what.find("certificate verify failed"), std::string::npos);
  proxy().post("/certificate", {{"authority", "new"}});
  EXPECT_EQ(client().get(kList).status, 200);
}

// One line, and no success.
TEST(FaultProxy, ThatCannotStartSaysWhy) {
  const std::string folder = make_folder("no-proxy");
  const std::string program = baton_program() + "-fault-proxy";
  const std::string good = TestCluster::get().kubeconfig("candidate-0");
  const std::string away = folder + "/away.kubeconfig";
  std::ofstream(away) << "{apiVersion: v1, kind: Config, current-context: c,\n"
                      << "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', "
                      << "certificate-authority: " << proxy().kubeconfig("candidate-0")
                      << ".ca}}],\nusers: [{name: c, user: {token: x}}],\n"
                      << "contexts: [{name: c, context: {cluster: c, user: c}}]}\n";
  const std::pair<std::vector<std::string>, const char*> rows[] = {
      {{"--upstream", folder + "/none", "--kubeconfig-out", folder + "/x"}, "No such file"},
      {{"--upstream", away, "--kubeconfig-out", folder + "/x"}, "does not answer"},
      {{"--upstream", good, "--kubeconfig-out", folder + "/no/x"}, "No such file"},
      {{"--upstream", good}, "has no --kubeconfig-out"},
      {{"--upstream", good, "--kubeconfig-out", folder + "/x", "--control", "many"}, "a port is"},
      {{}, "give --upstream"},
  };
  for (const auto& [flags, words] : rows) {
    std::vector<std::string> command = {program};
    command.insert(command.end(), flags.begin(), flags.end());
    Process process(command, {}, make_folder("log") + "/log");
    const auto ended = process.wait();
    ASSERT_TRUE(ended.has_value()) << words;
    EXPECT_EQ(ended->code, 2) << words;
    const std::string said = process.output();
    EXPECT_NE(said.find(words), std::string::npos) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  }
}

}  // namespace
}  // namespace baton::test
