#include "support/cluster.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/api.h"

namespace baton::test {

using nlohmann::json;

namespace {

// A real one is built on first use, which takes minutes.
constexpr std::chrono::minutes kReadyBound{30};
constexpr int kNamesOfElections = 40;

std::string read_word(const std::string& path) {
  std::string word;
  std::ifstream(path) >> word;
  return word;
}

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "no test cluster: %s\n", why.c_str());
  std::abort();
}

}  // namespace

TestCluster& TestCluster::get() {
  static TestCluster cluster;
  return cluster;
}

TestCluster::TestCluster() : folder_(make_folder("cluster")) {
  const char* wanted = std::getenv("BATON_TEST_CLUSTER");
  const std::string kind = wanted == nullptr ? "devserver" : wanted;
  if (kind != "devserver" && kind != "real") {
    give_up("BATON_TEST_CLUSTER is " + kind + ", must be devserver or real");
  }
  is_real_ = kind == "real";
  const std::string files = folder_ + "/files";
  const std::vector<std::string> command =
      is_real_ ? std::vector<std::string>{BATON_SOURCE_FOLDER "/e2e/control-plane", "up", files}
               : std::vector<std::string>{BATON_PROGRAM_FOLDER "/baton-devserver", "--dir", files};
  server_ = std::make_unique<Process>(command, Process::Environment{}, folder_ + "/log");
  const auto ready = [&] { return std::filesystem::exists(files + "/ready"); };
  wait_until([&] { return ready() || !server_->running(); }, kReadyBound);
  if (!ready()) {
    give_up(server_->output());
  }
  folder_ = files;
}

TestCluster::~TestCluster() {
  server_->send(SIGTERM);
  server_->wait();
}

std::string TestCluster::kubeconfig(const std::string& user) const {
  return folder_ + "/" + user + ".kubeconfig";
}

std::uint16_t TestCluster::control_port() const {
  const std::string url = read_word(folder_ + "/control");
  return static_cast<std::uint16_t>(std::atoi(url.substr(url.rfind(':') + 1).c_str()));
}

std::string TestCluster::new_election() {
  const std::string name = "e" + std::to_string(elections_++ % kNamesOfElections);
  Api("admin").remove(kLeases + "/" + name);
  return name;
}

namespace dev {

json control(const std::string& method, const std::string& target, const json& body) {
  static LocalClient client(TestCluster::get().control_port());
  const Answer answer = client.request(method, target, body.is_null() ? "" : body.dump());
  // A fault that met its count or its time is gone already.
  const bool is_gone = method == "DELETE" && answer.status == 404;
  EXPECT_TRUE(answer.status == 200 || answer.status == 201 || is_gone)
      << method << " " << target << ": " << answer.what;
  return answer.json();
}

json control(const std::string& method, const std::string& target) {
  return control(method, target, json());
}

Fault::Fault(const json& fault) : id_(control("POST", "/faults", fault).value("id", 0)) {}

Fault::~Fault() { control("DELETE", "/faults/" + std::to_string(id_)); }

std::vector<Seen> requests(std::int64_t after_sequence) {
  std::vector<Seen> list;
  for (const json& line : control("GET", "/requests?after=" + std::to_string(after_sequence))) {
    list.push_back({line["sequence"], line["boottime_ns"], line["user"], line["verb"],
                    line["resource"], line["name"], line["holder"], line["fault"], line["status"]});
  }
  return list;
}

std::int64_t last_sequence() {
  const auto list = requests();
  return list.empty() ? 0 : list.back().sequence;
}

}  // namespace dev
}  // namespace baton::test
