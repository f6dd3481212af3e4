// The stage of the quickstart: a development API server and three replicas of baton, started as
// processes of this one and ended with it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/client.h"
#include "support/process.h"

namespace baton::quickstart {

/// What GET /leader of a replica said.
struct Answer {
  bool leads = false;  // 200
  std::string state;   // "no answer" if there was none
  std::string token;   // "" unless leading
  std::int64_t valid_for_ms = 0;
  std::string revision;
};

class Replica {
 public:
  /// Its local API is at that port of 127.0.0.1.
  Replica(std::string name, std::string folder, std::string kubeconfig, std::uint16_t port);

  void start();
  bool running() { return process_ && process_->running(); }
  test::Process& process() { return *process_; }
  const std::string& name() const { return name_; }
  const std::string& address() const { return address_; }
  std::string log() const;  // of all its processes so far

  /// On one kept connection, as an application would ask.
  Answer ask();
  /// On a connection of its own. The status, 0 if there was no answer.
  int post(const std::string& target);

 private:
  http::Request request(const std::string& method, const std::string& target) const;

  const std::string name_, folder_, kubeconfig_, address_, probe_address_;
  int starts_ = 0;
  std::unique_ptr<http::Connection> connection_;
  std::unique_ptr<test::Process> process_;
};

class Stage {
 public:
  /// Programs are those of this build; logs and kubeconfigs go into `folder`. At home the first
  /// replica has the default port, unless somebody else has it.
  Stage(std::string folder, bool is_at_home);

  /// Starts everything. "" or why it could not.
  std::string open();
  std::vector<std::unique_ptr<Replica>>& replicas() { return replicas_; }
  /// Who answers yes now.
  Replica* leader();
  /// A request to the API server's control port (docs/devserver.md). False if it was refused.
  bool control(const std::string& method, const std::string& target, const std::string& body = "");

 private:
  const std::string folder_;
  const bool is_at_home_;
  http::Endpoint control_;
  std::unique_ptr<test::Process> server_;
  std::vector<std::unique_ptr<Replica>> replicas_;
};

}  // namespace baton::quickstart
