#include "support/baton.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/cluster.h"

namespace baton::test {

using nlohmann::json;

namespace {

std::string address(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

std::vector<std::string> command(const BatonOptions& options, std::uint16_t local_port,
                                 std::uint16_t probe_port) {
  std::vector<std::string> words = {
      options.program.empty() ? baton_program() : options.program,
      "run",
      "--kubeconfig=" + (options.kubeconfig.empty() ? TestCluster::get().kubeconfig(options.user)
                                                    : options.kubeconfig),
      "--namespace=baton-test",
      "--election=" + options.election,
      "--pod-name=" + options.pod,
      "--local-address=" + address(local_port),
      "--probe-address=" + address(probe_port)};
  words.insert(words.end(), options.flags.begin(), options.flags.end());
  words.push_back("--profile=" + options.profile);
  return words;
}

}  // namespace

std::string baton_program() { return BATON_PROGRAM_FOLDER "/baton"; }
std::string preloaded(const std::string& library) {
  return BATON_PROGRAM_FOLDER "/" + library + ".so";
}

Baton::Baton(const BatonOptions& options)
    : options_(options),
      local_port_(options.local_port != 0 ? options.local_port : free_port()),
      probe_port_(options.probe_port != 0 ? options.probe_port : free_port()),
      process_(command(options, local_port_, probe_port_), options.environment,
               make_folder(options.pod) + "/log"),
      local_(local_port_),
      probes_(probe_port_) {}

Answer Baton::post(const std::string& target, const std::string& body) {
  return local_.request("POST", target, body, kBound);
}

json Baton::status() { return get("/leader").json(); }

std::int64_t Baton::deadline_ns() {
  return std::strtoll(text_of("deadlineBoottimeNs").c_str(), nullptr, 10);
}

std::string Baton::text_of(const char* field) {
  const json document = status();
  const bool is_text =
      document.is_object() && document.contains(field) && document[field].is_string();
  return is_text ? document[field].get<std::string>() : "";
}

std::string Baton::state() { return text_of("state"); }

std::string Baton::reason() { return text_of("reason"); }

bool Baton::leads() { return get("/leader").status == 200; }

std::int64_t Baton::token() {
  const Answer answer = get("/token");
  return answer.status == 200 ? std::strtoll(answer.body.c_str(), nullptr, 10) : -1;
}

NamedLog Baton::named_log() const {
  const std::string flag = "--pod-uid=";
  NamedLog named{options_.pod, log()};
  for (const std::string& word : options_.flags) {
    if (word.starts_with(flag)) {
      named.pod = word.substr(flag.size());
    }
  }
  named.process_ended_ns = process_.ended_ns();
  return named;
}

double Baton::metric(const std::string& name, const std::map<std::string, std::string>& labels) {
  double sum = 0;
  std::istringstream page(probe("/metrics").body);
  for (std::string line; std::getline(page, line);) {
    const bool fits =
        line.starts_with(name + "{") && std::all_of(labels.begin(), labels.end(), [&](auto& label) {
          return line.find(label.first + "=\"" + label.second + "\"") != std::string::npos;
        });
    if (fits) {
      sum += std::strtod(line.c_str() + line.rfind(' '), nullptr);
    }
  }
  return sum;
}

std::vector<json> Baton::log_lines(const std::string& message) const {
  std::vector<json> found;
  std::istringstream lines(log());
  for (std::string text; std::getline(lines, text);) {
    json line = json::parse(text, nullptr, false);
    if (line.is_object() && line.value("msg", "") == message) {
      found.push_back(std::move(line));
    }
  }
  return found;
}

}  // namespace baton::test
