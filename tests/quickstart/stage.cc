#include "quickstart/stage.h"

#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace baton::quickstart {
namespace {

using std::chrono::seconds;

constexpr int kReplicas = 3;
constexpr const char* kElection = "e0";
constexpr std::uint16_t kHomePort = 4040;  // where clients ask that are told nothing else

std::string program(const std::string& name) {
  const auto self = std::filesystem::read_symlink("/proc/self/exe");
  return (self.parent_path() / name).string();
}

http::Endpoint endpoint_of(const std::string& address) {
  const auto colon = address.rfind(':');
  return {address.substr(0, colon),
          static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))), ""};
}

std::string loopback(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

}  // namespace

Replica::Replica(std::string name, std::string folder, std::string kubeconfig, std::uint16_t port)
    : name_(std::move(name)),
      folder_(std::move(folder)),
      kubeconfig_(std::move(kubeconfig)),
      address_(loopback(port)),
      probe_address_(loopback(test::free_port())),
      connection_(http::Connection::make(endpoint_of(address_), nullptr)) {}

void Replica::start() {
  ++starts_;
  process_ = std::make_unique<test::Process>(
      std::vector<std::string>{program("baton"), "run", "--kubeconfig", kubeconfig_, "--namespace",
                               "baton-test", "--election", kElection, "--pod-name", name_,
                               "--profile", "aggressive", "--local-address", address_,
                               "--probe-address", probe_address_},
      test::Process::Environment{}, folder_ + "/" + name_ + "." + std::to_string(starts_) + ".log");
}

std::string Replica::log() const {
  std::string all;
  for (int i = 1; i <= starts_; ++i) {
    const std::string path = folder_ + "/" + name_ + "." + std::to_string(i) + ".log";
    if (const auto text = read_file(path, std::size_t{64} << 20); text.ok()) all += *text;
  }
  return all;
}

http::Request Replica::request(const std::string& method, const std::string& target) const {
  return {method, target, {{"Host", address_}, {"Baton-Control", "1"}}, ""};
}

Answer Replica::ask() {
  const http::Reply reply =
      connection_->exchange(request("GET", "/leader"), boot_now() + seconds(1));
  const auto body = nlohmann::json::parse(reply.response.body, nullptr, false);
  Answer answer;
  answer.state = "no answer";
  if (reply.kind != http::IoKind::ok || !body.is_object()) return answer;
  answer.leads = reply.response.status == 200;
  const auto text = [&](const char* field) {  // null while not leading
    return body.contains(field) && body[field].is_string() ? body[field].get<std::string>() : "";
  };
  answer.state = text("state");
  answer.token = text("fencingToken");
  answer.valid_for_ms = body.value("validForMs", std::int64_t{0});
  answer.revision = text("revision");
  return answer;
}

int Replica::post(const std::string& target) {
  const auto connection = http::Connection::make(endpoint_of(address_), nullptr);
  const auto reply = connection->exchange(request("POST", target), boot_now() + seconds(30));
  return reply.kind == http::IoKind::ok ? reply.response.status : 0;
}

Stage::Stage(std::string folder, bool is_at_home)
    : folder_(std::move(folder)), is_at_home_(is_at_home) {}

std::string Stage::open() {
  const std::string cluster = folder_ + "/cluster";
  server_ = std::make_unique<test::Process>(
      std::vector<std::string>{program("baton-devserver"), "--dir", cluster},
      test::Process::Environment{}, folder_ + "/devserver.log");
  const bool ready = test::wait_until(
      [&] { return std::filesystem::exists(cluster + "/ready") || !server_->running(); });
  if (!ready || !server_->running()) return "baton-devserver did not start: " + server_->output();
  const auto control = read_file(cluster + "/control");
  if (!control.ok()) return control.error();
  std::string url(trim(*control));
  control_ = endpoint_of(url.substr(url.rfind('/') + 1));

  for (int i = 0; i < kReplicas; ++i) {
    const std::string kubeconfig = cluster + "/candidate-" + std::to_string(i) + ".kubeconfig";
    const auto port = is_at_home_ && i == 0 ? test::free_port(kHomePort) : test::free_port();
    replicas_.push_back(
        std::make_unique<Replica>("replica-" + std::to_string(i), folder_, kubeconfig, port));
    replicas_.back()->start();
  }
  return "";
}

Replica* Stage::leader() {
  for (auto& replica : replicas_) {
    if (replica->running() && replica->ask().leads) return replica.get();
  }
  return nullptr;
}

bool Stage::control(const std::string& method, const std::string& target, const std::string& body) {
  const auto connection = http::Connection::make(control_, nullptr);
  const auto reply = connection->exchange(
      {method, target, {{"Content-Type", "application/json"}}, body}, boot_now() + seconds(10));
  return reply.kind == http::IoKind::ok && reply.response.status < 300;
}

}  // namespace baton::quickstart
