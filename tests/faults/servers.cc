#include "servers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/clock.h"
#include "http/client.h"
#include "support/api.h"
#include "support/text.h"

namespace baton::test {

namespace {

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

bool is_healthy(const std::string& etcd_url) {
  const auto port = static_cast<std::uint16_t>(std::stoi(etcd_url.substr(etcd_url.rfind(':') + 1)));
  const auto connection = http::Connection::make({"127.0.0.1", port, ""}, nullptr);
  const auto reply =
      connection->exchange({"GET", "/health", {}, ""}, boot_now() + std::chrono::seconds(5));
  return reply.response.status == 200 && reply.kind == http::IoKind::ok;
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

// Its pages are copied on write, so that a copy of a process that stands still is a whole one.
void copy_database(const std::string& path) {
  const pid_t etcd = pid_in_cluster("etcd");
  ::kill(etcd, SIGSTOP);
  std::filesystem::copy_file(TestCluster::get().folder() + "/etcd/member/snap/db", path);
  ::kill(etcd, SIGCONT);
}

RestoredEtcd::RestoredEtcd(const std::string& database, std::int64_t bump) {
  const std::string folder = make_folder("etcd");
  std::vector<std::string> restore = {BATON_SOURCE_FOLDER "/.cache/e2e/bin/etcdutl",
                                      "snapshot",
                                      "restore",
                                      database,
                                      "--data-dir",
                                      folder + "/data",
                                      "--name",
                                      "e2e",
                                      "--skip-hash-check"};
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
  if (!wait_until([&] { return is_healthy(url_) || !process_->running(); }) ||
      !process_->running()) {
    give_up("etcd: " + process_->output());
  }
}

}  // namespace baton::test
