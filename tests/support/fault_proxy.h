// A proxy between real clients and a real API server that does to the traffic what its fault
// switches say. It ends TLS with certificates of its own, speaks HTTP/1.1 only, and sends each
// request on over TLS with the client's bearer token. The switches are those of baton-devserver
// (docs/devserver.md), with the same JSON on a control port of the same kind, and some more that
// only something between the two ends can do.
//
// Each request has a thread of its own, so that what happens to one reads from top to bottom.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "devserver/api_server.h"
#include "devserver/faults.h"
#include "http/client.h"
#include "http/server.h"
#include "kube/cluster.h"
#include "support/certificates.h"

namespace baton::test {

/// Whose requests are sent on, and where the kubeconfig goes that leads here.
struct ProxiedUser {
  std::string kubeconfig;      // of the API server
  std::string kubeconfig_out;  // with FILE.ca and FILE.token beside it, which may be replaced
};

class FaultProxy {
 public:
  /// Listens on 127.0.0.1 (port 0: the kernel chooses) and writes the kubeconfigs; the error says
  /// in one line what cannot be. Faults name a user as its kubeconfig is called, without extension.
  static Result<std::unique_ptr<FaultProxy>> start(const std::vector<ProxiedUser>& users,
                                                   std::uint16_t port, std::uint16_t control_port);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;

  const std::string& address() const { return address_; }
  std::string control_address() const { return control_->address(); }

 private:
  struct User {
    std::string name, token, kubeconfig_out;
  };
  class Upstream;
  struct Call;
  using CallPointer = std::shared_ptr<Call>;
  using Lock = std::unique_lock<std::mutex>;

  FaultProxy() = default;
  std::string add_user(const ProxiedUser& user);
  std::string open_front();
  void close_front();
  void write_kubeconfigs(const std::string& ca_pem) const;

  // A request's way. receive() runs on the front's thread, the rest on the call's own.
  void receive(std::shared_ptr<http::Exchange> exchange);
  void run(const CallPointer& call);
  void forward(const CallPointer& call);
  void watch(const CallPointer& call);
  void deliver(const CallPointer& call, const std::string& line);
  bool let_answer_pass(const CallPointer& call);
  void send(const CallPointer& call, http::Response response);
  std::shared_ptr<Upstream> upstream();
  std::string user_of(const http::Request& request) const;
  void log_answer(Call& call, const http::Reply& reply);

  void post(std::function<void()> work);
  void pause(Duration duration);
  void wait_for_client_to_go(const CallPointer& call);

  // The control port, on its thread.
  http::Response control(const std::string& method, const http::Target& target,
                         const std::string& body);
  http::Response control_faults(const std::string& method, const std::string& id,
                                const nlohmann::json& body);
  http::Response control_certificate(const std::string& authority);
  http::Response requests_after(std::uint64_t sequence);
  http::Response close_watches(const std::string& user);

  std::vector<User> users_;
  std::string address_;
  std::unique_ptr<CertificateAuthority> authority_ = std::make_unique<CertificateAuthority>();
  std::unique_ptr<http::Server> control_;

  std::mutex mutex_;  // protects what follows
  std::condition_variable changed_;
  bool stopping_ = false;
  int running_ = 0;  // threads of calls
  devserver::Faults faults_{true};
  std::shared_ptr<Upstream> upstream_;
  std::set<CallPointer> calls_;
  std::deque<std::shared_ptr<devserver::LoggedRequest>> log_;
  std::uint64_t sequence_ = 0;
  std::unique_ptr<http::Server> front_;      // null while the listener is closed
  std::vector<std::function<void()>> late_;  // for a front that is gone; never run
};

}  // namespace baton::test
