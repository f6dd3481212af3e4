#include "mixed/history_check.h"

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/process.h"

namespace baton::test {

using nlohmann::json;

namespace {

constexpr std::chrono::minutes kCheckBound{3};

// How long the write that began each term took, by term id.
std::map<std::string, std::int64_t> first_writes_ns(const std::string& log) {
  std::map<std::string, std::int64_t> took_ns;
  std::istringstream lines(log);
  for (std::string text; std::getline(lines, text);) {
    const json line = json::parse(text, nullptr, false);
    if (line.is_object() && line.value("msg", "") == "gained") {
      took_ns[line.value("term_id", "")] =
          static_cast<std::int64_t>(line.value("took_ms", 0.0) * 1e6);
    }
  }
  return took_ns;
}

json to_json(const Operation& operation) {
  return {{"client", operation.client},     {"op", operation.op},
          {"token", operation.token},       {"value", operation.value},
          {"accepted", operation.accepted}, {"call", operation.call_ns},
          {"return", operation.return_ns}};
}

}  // namespace

std::vector<Operation> lock_operations(const NamedLog& log) {
  std::vector<std::string> violations;
  auto took_ns = first_writes_ns(log.text);
  std::vector<Operation> operations;
  for (const Term& term : read_terms(log, violations)) {
    const bool by_will = term.ended_by == "draining" || term.ended_by == "released";
    operations.push_back({.client = log.who,
                          .op = "acquire",
                          .token = term.token,
                          .call_ns = term.from_ns - took_ns[term.term_id],
                          .return_ns = term.from_ns});
    operations.push_back({.client = log.who,
                          .op = by_will ? "release" : "expire",
                          .token = term.token,
                          .call_ns = term.until_ns,
                          .return_ns = term.until_ns});
  }
  return operations;
}

HistoryVerdict check_history(const std::vector<Operation>& history) {
  const std::string folder = make_folder("history");
  const std::string path = folder + "/history.jsonl";
  {
    std::ofstream file(path);
    for (const Operation& operation : history) {
      file << to_json(operation).dump() << '\n';
    }
  }
  Process checker({BATON_SOURCE_FOLDER "/.cache/e2e/bin/lock-history", path, "--draw",
                   folder + "/history.html"},
                  {}, folder + "/verdict");
  const auto ended = checker.wait(kCheckBound);
  std::string said = checker.output();
  said = said.substr(0, said.find('\n'));
  return {ended && !ended->by_signal && ended->code == 0, said};
}

}  // namespace baton::test
