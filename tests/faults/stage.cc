#include "stage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kube/cluster.h"

namespace baton::test {

using nlohmann::json;

namespace {

// Prints what the checker saw in all runs of this program, and leaves it in BATON_SUMMARY_FILE.
class Printed : public testing::Environment {
 public:
  void TearDown() override {
    const bool is_real = TestCluster::get().is_real();
    const std::string line = (is_real ? "kube-apiserver: " : "devserver: ") + summary_.text();
    std::printf("[ CHECKED  ] %s\n", line.c_str());
    const char* file = std::getenv("BATON_SUMMARY_FILE");
    if (file != nullptr) {
      std::ofstream(file) << line << "\n";
    }
  }
  Summary& summary() { return summary_; }

 private:
  Summary summary_;
};
Printed* const kPrinted = [] {
  auto* const printed = new Printed;
  testing::AddGlobalTestEnvironment(printed);
  return printed;
}();

std::string annotation(const json& lease, const char* key) {
  const json::json_pointer path = json::json_pointer("/metadata/annotations") / key;
  return lease.contains(path) ? lease.at(path).get<std::string>() : "";
}

std::int64_t number(const std::string& text) { return std::strtoll(text.c_str(), nullptr, 10); }

}  // namespace

std::string user_name(int index) { return "candidate-" + std::to_string(index); }

Proxy& proxy() {
  static Proxy the_proxy;
  return the_proxy;
}

FencedStore::FencedStore() {
  http::ServerOptions options;
  options.address = "127.0.0.1:0";
  auto server = http::Server::listen(options, [this](const auto& exchange) {
    const json body = json::parse(exchange->request().body);
    StoreWrite write{boottime_ns(), body["writer"],   body["term_id"],    number(body["token"]),
                     false,         body["asked_ns"], body["deadline_ns"]};
    {
      const std::lock_guard lock(mutex_);
      write.is_accepted = write.token >= highest_;
      highest_ = std::max(highest_, write.token);
      writes_.push_back(write);
    }
    exchange->reply({write.is_accepted ? 200 : 409, {}, ""});
  });
  if (!server) {
    std::fprintf(stderr, "no store: %s\n", server.error().c_str());
    std::abort();
  }
  server_ = std::move(server).value();
  server_->start();
}

std::uint16_t FencedStore::port() const {
  const std::string address = server_->address();
  return static_cast<std::uint16_t>(number(address.substr(address.rfind(':') + 1)));
}

std::vector<StoreWrite> FencedStore::writes() const {
  const std::lock_guard lock(mutex_);
  return writes_;
}

std::size_t FencedStore::count(const std::string& writer, bool accepted) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(writes_.begin(), writes_.end(), [&](const StoreWrite& write) {
        return write.writer == writer && write.is_accepted == accepted;
      }));
}

LeaseHistory::LeaseHistory(const std::string& kubeconfig, const std::string& election)
    : election_(election) {
  auto cluster = kube::from_kubeconfig(kubeconfig, "");
  if (!cluster) {
    std::fprintf(stderr, "no history: %s\n", cluster.error().c_str());
    std::abort();
  }
  credentials_ = std::make_shared<kube::Credentials>(std::move(cluster).value());
  thread_ = std::thread([this] { follow(); });
  wait_until([this] { return from_ > 0; });  // from here on nothing is missed
}

LeaseHistory::~LeaseHistory() {
  stopping_ = true;
  thread_.join();
}

std::vector<LeaseVersion> LeaseHistory::versions() const {
  const std::lock_guard lock(mutex_);
  return versions_;
}

// A watch from the last version seen has no gap; a LIST in between may have one.
void LeaseHistory::follow() {
  constexpr auto kTurn = std::chrono::milliseconds(200);
  const std::string list = kLeases + "?fieldSelector=metadata.name%3D" + election_;
  const http::Headers headers = {{"Authorization", "Bearer " + credentials_->bearer()}};
  while (!stopping_) {
    const auto connection =
        http::Connection::make(credentials_->cluster().endpoint, credentials_->tls().value());
    if (from_ == 0) {
      const auto listed =
          connection->exchange({"GET", list, headers, ""}, boot_now() + std::chrono::seconds(5));
      const json body = json::parse(listed.response.body, nullptr, false);
      if (listed.response.status != 200 || listed.kind != http::IoKind::ok || !body.is_object()) {
        wait_until([this] { return stopping_.load(); }, kTurn);
        continue;
      }
      from_ = version_of(body);
      for (const json& lease : body["items"]) add(lease, false);
    }
    const std::string watch = list + "&watch=true&resourceVersion=" + std::to_string(from_);
    const auto opened =
        connection->open_stream({"GET", watch, headers, ""}, boot_now() + std::chrono::seconds(5));
    if (opened.kind != http::IoKind::ok || opened.response.status != 200) {
      wait_until([this] { return stopping_.load(); }, kTurn);
      continue;
    }
    std::string error;
    while (!stopping_) {
      const auto line = connection->next_line(boot_now() + kTurn, error);
      if (!line && error == "deadline") continue;
      if (!line) break;
      const json event = json::parse(*line, nullptr, false);
      if (!event.is_object()) continue;
      if (event["type"] == "ERROR") {  // forgotten, or restored
        is_broken_ = true;
        from_ = 0;
        break;
      }
      add(event["object"], event["type"] == "DELETED");
    }
  }
}

void LeaseHistory::add(const json& lease, bool is_deleted) {
  LeaseVersion version;
  version.seen_ns = boottime_ns();
  version.revision = version_of(lease);
  version.is_deleted = is_deleted;
  from_ = std::max(from_.load(), version.revision);
  if (!is_deleted) {
    version.uid = lease["metadata"].value("uid", "");
    const json spec = lease.value("spec", json::object());
    version.holder = spec.value("holderIdentity", "");
    version.term_id = annotation(lease, "baton/term");
    version.released = annotation(lease, "baton/released");
    version.incarnation = annotation(lease, "baton/incarnation");
    version.token = number(annotation(lease, "baton/fencing-token"));
    version.duration_s = std::max<std::int64_t>(spec.value("leaseDurationSeconds", 0),
                                                number(annotation(lease, "baton/duration")));
  }
  const std::lock_guard lock(mutex_);
  versions_.push_back(std::move(version));
}

void begin_released(const std::string& election) {
  Api admin("admin");
  json lease = lease_body(election, {{"leaseDurationSeconds", 1}, {"leaseTransitions", 1}});
  lease["metadata"]["annotations"] = {{"baton/format", "1"},
                                      {"baton/term", "before"},
                                      {"baton/released", "before/1"},
                                      {"baton/fencing-token", "1"}};
  admin.put(kLeases + "/" + election, lease);  // refused where another candidate came before
}

void unhurried(BatonOptions& options) {
  begin_released(options.election);
  options.flags.insert(options.flags.end(), kUnhurried.begin(), kUnhurried.end());
}

Stage::Stage(const StageOptions& options) : options_(options) {
  const json seen = proxy().get("/requests");
  first_request_ = seen.empty() ? 0 : seen.back()["sequence"].get<std::int64_t>();
  std::vector<std::uint16_t> ports;
  for (int i = 0; i < options.candidates; ++i) {
    ports.push_back(free_port());
  }
  // Ports stay, so that applications find a sidecar that was restarted.
  candidates_ = std::make_unique<Candidates>(options.candidates, [this, ports](BatonOptions& one) {
    if (!history_) {
      history_ = std::make_unique<LeaseHistory>(options_.history_kubeconfig.empty()
                                                    ? TestCluster::get().kubeconfig("admin")
                                                    : options_.history_kubeconfig,
                                                one.election);
    }
    const auto index = static_cast<std::size_t>(number(one.pod.substr(1)));
    one.kubeconfig = proxy().kubeconfig(one.user);
    one.local_port = ports[index];
    if (options_.change) {
      options_.change(one);
    }
    environments_[index] = one.environment;
  });
  candidates_->leave_to_checker();
  for (int i = 0; options.with_applications && i < options.candidates; ++i) {
    const auto index = static_cast<std::size_t>(i);
    const std::string name = "a" + std::to_string(i);
    const std::vector<std::string> command = {baton_program() + "-test-application",
                                              std::to_string(ports[index]),
                                              std::to_string(store_.port()), name};
    applications_.push_back(std::make_unique<Process>(
        command, environments_[index], make_folder(name) + "/log"));  // one machine, one clock
  }
}

Stage::~Stage() { check(); }

json Stage::fault(int user, const json& wish) const {
  json fault = wish;
  fault["name"] = election();
  if (user >= 0) {
    fault["user"] = user_name(user);
  }
  return fault;
}

bool Stage::renews(int index, std::size_t times) {
  const auto extended = [&] { return at(index).log_lines("extended").size(); };
  const std::size_t before = extended();
  return wait_until([&] { return extended() >= before + times; });
}

int Stage::one_renews(std::size_t times) {
  const auto extended = [&](int index) { return at(index).log_lines("extended").size(); };
  std::vector<std::size_t> before;
  for (int i = 0; i < candidates_->count(); ++i) {
    before.push_back(extended(i));
  }
  int found = -1;
  wait_until([&] {
    for (int i = 0; i < candidates_->count() && found < 0; ++i) {
      found = extended(i) >= before[static_cast<std::size_t>(i)] + times ? i : -1;
    }
    return found >= 0;
  });
  return found;
}

bool Stage::writes(int index, std::size_t times) {
  const auto accepted = [&] { return store_.count("a" + std::to_string(index), true); };
  const std::size_t before = accepted();
  return wait_until([&] { return accepted() >= before + times; });
}

std::size_t Stage::terms() const { return test::judge(candidates_->logs()).terms.size(); }

Report Stage::check() {
  Report report;
  if (std::exchange(is_checked_, true)) {
    return report;
  }
  applications_.clear();
  Evidence evidence;
  evidence.logs = candidates_->logs();
  for (NamedLog& log : evidence.logs) {
    if (options_.in_true_time) {
      log.text = options_.in_true_time(log);
    }
  }
  // The watch shows a version a moment after a sidecar has logged its belief in it.
  const auto terms = test::judge(evidence.logs).terms;
  wait_until(
      [&] {
        const auto versions = history_->versions();
        return std::all_of(terms.begin(), terms.end(), [&](const Term& term) {
          return std::any_of(versions.begin(), versions.end(), [&](const LeaseVersion& version) {
            return version.term_id == term.term_id;
          });
        });
      },
      std::chrono::seconds(5));
  evidence.versions = history_->versions();
  evidence.has_broken_history = history_->is_broken() || options_.restores;
  for (const json& seen : proxy().get("/requests?after=" + std::to_string(first_request_))) {
    if (seen["name"] == election() && !options_.in_true_time) {
      evidence.requests.push_back({seen["boottime_ns"], seen["user"], seen["verb"],
                                   seen["resource"], seen["holder"], number(seen["revision"])});
    }
  }
  evidence.writes = store_.writes();
  evidence.requests_per_s = options_.requests_per_s;
  report = test::check(evidence);
  kPrinted->summary().add(report);
  EXPECT_TRUE(report.verdict.violations.empty()) << report.verdict.text();
  return report;
}

}  // namespace baton::test
