#include "support/client_go.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "support/cluster.h"

namespace baton::test {
namespace {

std::vector<std::string> command(const ClientGoOptions& options, std::uint16_t port) {
  std::vector<std::string> words = {BATON_SOURCE_FOLDER "/.cache/e2e/bin/client-go-candidate",
                                    "-kubeconfig=" + TestCluster::get().kubeconfig(options.user),
                                    "-namespace=baton-test",
                                    "-lease=" + options.election,
                                    "-id=" + options.id,
                                    "-http=127.0.0.1:" + std::to_string(port)};
  words.insert(words.end(), options.flags.begin(), options.flags.end());
  return words;
}

}  // namespace

ClientGo::ClientGo(const ClientGoOptions& options)
    : id_(options.id),
      port_(free_port()),
      process_(command(options, port_), {}, make_folder(options.id) + "/log"),
      local_(port_) {}

bool ClientGo::leads() { return local_.request("GET", "/leader").status == 200; }

std::string ClientGo::followed() {
  const nlohmann::json answer = local_.request("GET", "/").json();
  return answer.is_object() ? answer.value("name", "") : "";
}

std::vector<Term> client_go_terms(const std::string& who, const std::string& log,
                                  std::int64_t ended_ns) {
  std::vector<std::string> violations;
  auto terms = read_terms({who, log}, violations);
  for (Term& term : terms) {
    term.until_ns = std::min(term.until_ns, ended_ns);
  }
  return terms;
}

}  // namespace baton::test
