// One real baton process, `baton run` as a Pod would run it, with clients of its two listeners.
// Ended by SIGKILL with the object; its log outlives it, for the judge.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "support/api.h"
#include "support/belief_log.h"
#include "support/process.h"

namespace baton::test {

struct BatonOptions {
  std::string election;
  std::string user = "candidate-0";  // whose kubeconfig
  std::string kubeconfig = {};       // another one than that user's
  std::string program = {};          // another one than baton
  std::string pod = "p0";
  std::string profile = "aggressive";
  std::vector<std::string> flags = {};  // more of them
  Process::Environment environment = {};
  std::uint16_t local_port = 0, probe_port = 0;  // 0: a free one
};

class Baton {
 public:
  explicit Baton(const BatonOptions& options);

  Process& process() { return process_; }
  const std::string& name() const { return options_.pod; }
  std::uint16_t local_port() const { return local_port_; }
  std::uint16_t probe_port() const { return probe_port_; }

  Answer get(const std::string& target) { return local_.request("GET", target); }
  Answer post(const std::string& target, const std::string& body = "");
  Answer probe(const std::string& target) { return probes_.request("GET", target); }
  LocalClient& local() { return local_; }

  /// GET /leader: the status document; null while nobody answers.
  nlohmann::json status();
  std::string state();
  std::string reason();
  bool leads();
  /// -1 while it does not lead.
  std::int64_t token();
  /// deadlineBoottimeNs of a fresh answer; 0 while it does not lead.
  std::int64_t deadline_ns();

  /// The sum of the series of /metrics that carry all of `labels`; 0 if there is none.
  double metric(const std::string& name, const std::map<std::string, std::string>& labels);

  /// The log so far; the lines with this "msg".
  std::string log() const { return process_.output(); }
  std::vector<nlohmann::json> log_lines(const std::string& message) const;
  NamedLog named_log() const;

 private:
  std::string text_of(const char* field);

  BatonOptions options_;
  std::uint16_t local_port_, probe_port_;
  Process process_;
  LocalClient local_, probes_;
};

/// The path of the program under test, and of a library beside it for LD_PRELOAD.
std::string baton_program();
std::string preloaded(const std::string& library);

}  // namespace baton::test
