#include "support/proxy.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace baton::test {

using nlohmann::json;

namespace {

std::vector<std::string> users() {
  return {"candidate-0", "candidate-1", "candidate-2", "candidate-3", "candidate-4",
          "client-go-0", "client-go-1", "client-go-2", "lease-only"};
}

std::vector<std::string> command(const std::string& folder, std::uint16_t control_port) {
  std::vector<std::string> words = {BATON_PROGRAM_FOLDER "/baton-fault-proxy", "--control",
                                    std::to_string(control_port)};
  for (const std::string& user : users()) {
    words.insert(words.end(), {"--upstream", TestCluster::get().kubeconfig(user),
                               "--kubeconfig-out", folder + "/" + user + ".kubeconfig"});
  }
  return words;
}

}  // namespace

Proxy::Proxy()
    : folder_(make_folder("proxy")),
      control_port_(free_port()),
      process_(command(folder_, control_port_), {}, folder_ + "/log"),
      client_(control_port_) {
  const auto serves = [&] { return process_.output().find("serving") != std::string::npos; };
  wait_until([&] { return serves() || !process_.running(); });
  if (!serves()) {
    std::fprintf(stderr, "no fault proxy: %s\n", process_.output().c_str());
    std::abort();
  }
}

json Proxy::control(const std::string& method, const std::string& target, const json& body) {
  const Answer answer = client_.request(method, target, body.is_null() ? "" : body.dump());
  // A fault that met its count or its time is gone already.
  const bool is_gone = method == "DELETE" && answer.status == 404;
  EXPECT_TRUE(answer.status == 200 || answer.status == 201 || is_gone)
      << method << " " << target << ": " << answer.what;
  return answer.json();
}

json Proxy::get(const std::string& target) { return control("GET", target, json()); }

json Proxy::post(const std::string& target, const json& body) {
  return control("POST", target, body);
}

Proxy::Fault::Fault(Proxy& proxy, const json& fault)
    : proxy_(proxy), id_(proxy.post("/faults", fault).value("id", 0)) {}

Proxy::Fault::~Fault() { proxy_.control("DELETE", "/faults/" + std::to_string(id_), json()); }

}  // namespace baton::test
