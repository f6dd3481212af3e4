#include "servers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/clock.h"
#include "http/client.h"
#include "kube/formats.h"
#include "support/api.h"

namespace baton::test {

using nlohmann::json;

namespace {

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::vector<std::string> words_of(pid_t pid) {
  std::vector<std::string> words;
  std::istringstream text(text_of("/proc/" + std::to_string(pid) + "/cmdline"));
  for (std::string word; std::getline(text, word, '\0');) words.push_back(word);
  return words;
}

// The values of `--flag value` and `--flag=value` replaced; what is not there is added.
std::vector<std::string> with_flags(const std::vector<std::string>& words,
                                    std::map<std::string, std::string> flags) {
  std::vector<std::string> changed;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string name = words[i].substr(0, words[i].find('='));
    const auto flag = flags.find(name);
    if (flag == flags.end()) {
      changed.push_back(words[i]);
      continue;
    }
    changed.push_back(name + "=" + flag->second);
    if (name == words[i]) ++i;
    flags.erase(flag);
  }
  for (const auto& [name, value] : flags) changed.push_back(name + "=" + value);
  return changed;
}

std::string flag_of(const std::vector<std::string>& words, const std::string& name) {
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == name) return words[i + 1];
    if (words[i].starts_with(name + "=")) return words[i].substr(name.size() + 1);
  }
  return "";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

/// Ends the test binary with a reason: without its servers no test of it means anything.
[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "no server: %s\n", why.c_str());
  std::abort();
}

http::Reply ask(const std::string& url, const std::string& method, const std::string& target,
                const std::string& body) {
  const std::string address = url.substr(url.find("://") + 3);
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1)));
  http::ClientLimits limits;
  limits.body_bytes = limits.line_bytes = std::size_t{256} << 20;
  const auto connection = http::Connection::make({"127.0.0.1", port, ""}, nullptr, limits);
  return connection->exchange({method, target, {}, body}, boot_now() + std::chrono::seconds(30));
}

}  // namespace

// The script's own children; copies have its flags too.
pid_t pid_in_cluster(const std::string& name) {
  const std::string script = std::to_string(TestCluster::get().process().pid());
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    std::string itself;
    std::string command;
    std::string state;
    std::string parent;
    std::ifstream(entry.path() / "stat") >> itself >> command >> state >> parent;
    const auto words = words_of(pid);
    if (parent == script && !words.empty() && words[0].ends_with("/" + name)) return pid;
  }
  give_up("the cluster runs no " + name);
}

std::string etcd_url() {
  return flag_of(words_of(pid_in_cluster("kube-apiserver")), "--etcd-servers");
}

ApiServerCopy::ApiServerCopy(std::map<std::string, std::string> flags)
    : folder_(make_folder("kube-apiserver")), port_(free_port()), flags_(std::move(flags)) {
  flags_["--secure-port"] = std::to_string(port_);
  flags_["--audit-log-path"] = folder_ + "/audit.log";
  write_kubeconfigs();
  start();
}

void ApiServerCopy::write_kubeconfigs() {
  const std::string own = flag_of(words_of(pid_in_cluster("kube-apiserver")), "--secure-port");
  for (const auto& entry : std::filesystem::directory_iterator(TestCluster::get().folder())) {
    if (entry.path().extension() != ".kubeconfig") continue;
    std::ofstream(folder_ + "/" + entry.path().filename().string()) << replaced(
        text_of(entry.path()), "127.0.0.1:" + own, "127.0.0.1:" + std::to_string(port_));
  }
}

void ApiServerCopy::start() {
  const auto words = with_flags(words_of(pid_in_cluster("kube-apiserver")), flags_);
  process_ = std::make_unique<Process>(words, Process::Environment{}, folder_ + "/log");
  const auto ready = [&] { return Api::at(kubeconfig("admin")).get("/readyz").body == "ok"; };
  if (!wait_until([&] { return ready() || !process_->running(); }) || !process_->running()) {
    const std::string log = process_->output();
    give_up("kube-apiserver: " + log.substr(log.size() - std::min<std::size_t>(log.size(), 500)));
  }
}

void ApiServerCopy::kill() {
  process_->send(SIGKILL);
  process_->wait();
}

// etcd streams its snapshot in pieces, over gRPC or as here over JSON.
void save_snapshot(const std::string& path) {
  const auto reply = ask(etcd_url(), "POST", "/v3/maintenance/snapshot", "{}");
  if (reply.kind != http::IoKind::ok || reply.response.status != 200) {
    give_up("etcd's snapshot: " + reply.what + " " + reply.response.body.substr(0, 200));
  }
  std::ofstream file(path, std::ios::binary);
  std::istringstream lines(reply.response.body);
  for (std::string line; std::getline(lines, line);) {
    const json piece = json::parse(line, nullptr, false);
    if (piece.is_object() && piece["result"].contains("blob")) {
      file << kube::decode_base64(piece["result"]["blob"].get<std::string>()).value_or("");
    }
  }
}

RestoredEtcd::RestoredEtcd(const std::string& snapshot, std::int64_t bump) {
  const std::string folder = make_folder("etcd");
  std::vector<std::string> restore = {BATON_SOURCE_FOLDER "/.cache/e2e/bin/etcdutl",
                                      "snapshot",
                                      "restore",
                                      snapshot,
                                      "--data-dir",
                                      folder + "/data",
                                      "--name",
                                      "e2e"};
  // The peers' addresses stay those of the snapshot's cluster of one.
  const std::string peer = "http://127.0.0.1:" + std::to_string(free_port());
  restore.insert(restore.end(),
                 {"--initial-cluster", "e2e=" + peer, "--initial-advertise-peer-urls", peer});
  if (bump > 0) {
    restore.insert(restore.end(), {"--bump-revision", std::to_string(bump), "--mark-compacted"});
  }
  Process etcdutl(restore, {}, folder + "/etcdutl.log");
  const auto ended = etcdutl.wait();
  if (!ended || ended->code != 0) give_up("etcdutl: " + etcdutl.output());
  url_ = "http://127.0.0.1:" + std::to_string(free_port());
  const auto words =
      with_flags(words_of(pid_in_cluster("etcd")), {{"--data-dir", folder + "/data"},
                                                    {"--listen-client-urls", url_},
                                                    {"--advertise-client-urls", url_},
                                                    {"--listen-peer-urls", peer}});
  process_ = std::make_unique<Process>(words, Process::Environment{}, folder + "/log");
  const auto serves = [&] { return ask(url_, "GET", "/health", "").response.status == 200; };
  if (!wait_until([&] { return serves() || !process_->running(); }) || !process_->running()) {
    give_up("etcd: " + process_->output());
  }
}

}  // namespace baton::test
