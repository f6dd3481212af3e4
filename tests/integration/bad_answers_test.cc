// Bad input from the API server: no belief gained, no crash, no hot loop, the reason to be seen
// everywhere, and recovery without a restart.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "kube/cluster.h"
#include "support/candidates.h"
#include "support/cluster.h"
#include "support/text.h"

namespace baton::test {
namespace {

using nlohmann::json;

class Trouble;
struct Row;
std::unique_ptr<Trouble> fault_of(const Row& row);
std::unique_ptr<Trouble> wrong_authority(const Row& row);
std::unique_ptr<Trouble> nobody_listens(const Row& row);

struct Row {
  const char* name;
  const char* fault;    // of the devserver, as JSON
  const char* state;    // in /leader while the trouble lasts
  const char* words;    // in the reason there, in /readyz?verbose and in one line of the log
  const char* request;  // counted as failed, with `kind`; nullptr: all were answered well, but with
  const char* kind;     // a Lease that forbids to contend, which the log says as "blocked"
  const char* lease = "{}";  // with the spec of the Lease before baton starts
  std::unique_ptr<Trouble> (*begin)(const Row&) = fault_of;
};

std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

constexpr const char* kMayList = "allows 'list' on leases.coordination.k8s.io";
constexpr const char* kHeldFor3s =
    R"({"spec":{"holderIdentity":"somebody","leaseDurationSeconds":3}})";
constexpr const char* kHeld = R"({"spec":{"holderIdentity":"somebody"}})";

const Row kRows[] = {
    {"Unreachable", R"({"action":"partition"})", "degraded", "deadline exceeded", "list",
     "unknown"},
    {"CutBeforeAnyAnswer", R"({"action":"cut"})", "degraded", "closed by the peer", "list",
     "unknown"},
    {"ExpiredToken", R"({"action":"answer","code":401,"body":"{\"kind\":\"Status\"}"})", "blocked",
     "401: {\"kind\":\"Status\"}; the credentials are not accepted: renew", "list", "refused"},
    {"ForbiddenList", R"({"action":"answer","code":403,"verbs":["list"],"body":"{}"})", "blocked",
     kMayList, "list", "refused"},
    {"ForbiddenUpdate", R"({"action":"answer","code":403,"verbs":["update"],"body":"{}"})",
     "blocked", "allows 'update' and 'create' on leases.coordination.k8s.io", "create", "refused"},
    {"ForbiddenEverything", R"({"action":"answer","code":403,"body":"{}"})", "blocked", kMayList,
     "list", "refused"},
    {"ForbiddenWatchAndList",
     R"({"action":"answer","code":403,"verbs":["watch","list"],"body":"{}"})", "blocked", kMayList,
     "list", "refused"},
    {"NotFoundEverywhere", R"({"action":"answer","code":404,"body":"404 page not found"})",
     "degraded", "404 page not found", "list", "not_found"},
    {"ThrottledWithRetryAfter", R"({"action":"answer","code":429,"retry_after":"1","body":"{}"})",
     "degraded", ": 429: ", "list", "throttled"},
    {"ThrottledWithoutRetryAfter", R"({"action":"answer","code":429,"body":"{}"})", "degraded",
     ": 429: ", "list", "throttled"},
    // Were it obeyed, nothing would be recovered from.
    {"AbsurdRetryAfter",
     R"({"action":"answer","code":429,"body":"{}","retry_after":"99999999999999999999"})",
     "degraded", ": 429: ", "list", "throttled"},
    {"ServerError", R"({"action":"answer","code":500,"body":"{}"})", "degraded", ": 500: ", "list",
     "unavailable"},
    {"ServerErrorOnWrites", R"({"action":"answer","code":500,"verbs":["update"],"body":"{}"})",
     "acquiring", ": 500: ", "create", "unavailable"},
    {"Html",
     R"({"action":"answer","code":200,"content_type":"text/html","body":"<html>Sign in</html>"})",
     "degraded", "<html>Sign in</html>", "list", "garbled"},
    {"TruncatedJson", R"({"action":"truncate"})", "degraded", "cut short", "list", "garbled"},
    {"EmptyBody", R"({"action":"answer","code":200,"body":""})", "degraded",
     "no JSON object (cut short", "list", "garbled"},
    {"NullList", R"({"action":"answer","code":200,"body":"null"})", "degraded",
     "not from an API server): null", "list", "garbled"},
    {"ListVersionThatIsNoNumber",
     R"({"action":"answer","code":200,"body":{"kind":"LeaseList",)"
     R"("metadata":{"resourceVersion":"abc"},"items":[]}})",
     "degraded", "LeaseList metadata.resourceVersion is 'abc'", "list", "garbled"},
    {"SpecOfTheWrongType", R"({"action":"alter","patch":{"spec":"x"}})", "degraded",
     R"(Lease spec is "x", must be an object)", "list", "garbled", kHeldFor3s},
    {"DurationOfTheWrongType",
     R"({"action":"alter","patch":{"spec":{"leaseDurationSeconds":"x"}}})", "degraded",
     R"(Lease spec.leaseDurationSeconds is "x", must be an integer)", "list", "garbled", kHeld},
    {"ObjectVersionThatIsNoNumber",
     R"({"action":"alter","patch":{"metadata":{"resourceVersion":"abc"}}})", "blocked",
     "resourceVersion is no positive integer (R6)", nullptr, nullptr, kHeldFor3s},
    {"HugeDuration", R"({"action":"alter","patch":{"spec":{"leaseDurationSeconds":2147483647}}})",
     "blocked", "the record carries more than an hour", nullptr, nullptr, kHeld},
    {"TokenThatIsNoNumber",
     R"({"action":"alter","patch":{"metadata":{"annotations":)"
     R"({"baton/fencing-token":"99999999999999999999"}}}})",
     "blocked", "baton/fencing-token is '99999999999999999999'", nullptr, nullptr, kHeldFor3s},
    {"WrongAuthority", "", "degraded", "did not sign it", "list", "unknown", "{}", wrong_authority},
    {"NobodyListens", "", "degraded", "Connection refused", "list", "unknown", "{}",
     nobody_listens},
};

/// What is wrong between construction and end().
class Trouble {
 public:
  virtual ~Trouble() = default;
  virtual void end() = 0;
  /// Whose kubeconfig baton runs with.
  virtual std::string user() const { return "candidate-0"; }
};

class FaultOfTheServer : public Trouble {
 public:
  explicit FaultOfTheServer(const Row& row) : fault_(std::in_place, json::parse(row.fault)) {}
  void end() override { fault_.reset(); }

 private:
  std::optional<dev::Fault> fault_;
};

kube::Cluster read_cluster(const std::string& kubeconfig) {
  const auto cluster = kube::from_kubeconfig(kubeconfig, "");
  EXPECT_TRUE(cluster.ok()) << cluster.error();
  return cluster.ok() ? *cluster : kube::Cluster{};
}

// A kubeconfig that names its authority and its token as files, which can be replaced.
class RotatingTrust : public Trouble {
 public:
  explicit RotatingTrust(std::uint16_t port) : folder_(make_folder("trust")) {
    std::ofstream(TestCluster::get().kubeconfig(user()))
        << "{apiVersion: v1, kind: Config, current-context: c,\n"
        << "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:" << port
        << "', certificate-authority: " << folder_ << "/ca.crt}}],\n"
        << "users: [{name: c, user: {tokenFile: " << folder_ << "/token}}],\n"
        << "contexts: [{name: c, context: {cluster: c, user: c}}]}\n";
  }
  std::string user() const override { return "rotating-trust"; }

 protected:
  void trust(const kube::Cluster& cluster) const {
    replace("ca.crt", cluster.ca_pem);
    replace("token", cluster.token);
  }
  const std::string& folder() const { return folder_; }

 private:
  void replace(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/new") << text;
    std::filesystem::rename(folder_ + "/new", folder_ + "/" + name);
  }

  std::string folder_;
};

class WrongAuthority : public RotatingTrust {
 public:
  explicit WrongAuthority(const kube::Cluster& right)
      : RotatingTrust(right.endpoint.port), right_(right) {
    trust(read_cluster(TestCluster::get().kubeconfig("wrong-ca")));
  }
  void end() override { trust(right_); }

 private:
  kube::Cluster right_;
};

// A server of its own begins to listen in the end, with another authority and other tokens.
class NobodyListens : public RotatingTrust {
 public:
  NobodyListens(const kube::Cluster& other, std::uint16_t port) : RotatingTrust(port), port_(port) {
    trust(other);
  }
  void end() override {
    const std::vector<std::string> command = {baton_program() + "-devserver", "--dir", folder(),
                                              "--port", std::to_string(port_)};
    server_.emplace(command, Process::Environment{}, folder() + "/log");
    ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(folder() + "/ready"); }))
        << server_->output();
    trust(read_cluster(folder() + "/candidate-0.kubeconfig"));
  }

 private:
  std::uint16_t port_;
  std::optional<Process> server_;
};

kube::Cluster right_cluster() { return read_cluster(TestCluster::get().kubeconfig("candidate-0")); }

std::unique_ptr<Trouble> fault_of(const Row& row) {
  return std::make_unique<FaultOfTheServer>(row);
}

std::unique_ptr<Trouble> wrong_authority(const Row&) {
  return std::make_unique<WrongAuthority>(right_cluster());
}

std::unique_ptr<Trouble> nobody_listens(const Row&) {
  return std::make_unique<NobodyListens>(right_cluster(), free_port());
}

class BadAnswers : public testing::TestWithParam<Row> {};

// At most one request is in flight, and after a failure comes a delay of at least 50 ms in the
// profile aggressive; the watch is on a connection of its own.
void expect_no_hot_loop(std::int64_t after_sequence) {
  const auto seen = dev::requests(after_sequence);
  if (seen.empty()) {
    return;
  }
  const std::int64_t elapsed_ms = (seen.back().boottime_ns - seen.front().boottime_ns) / 1'000'000;
  EXPECT_LE(static_cast<std::int64_t>(seen.size()), 20 + 3 * elapsed_ms / 50)
      << elapsed_ms << " ms";
}

void store_lease(const std::string& election, const json& wish) {
  if (wish.contains("spec")) {
    dev::control("PUT", "/objects/leases/" + election,
                 {{"apiVersion", "coordination.k8s.io/v1"},
                  {"kind", "Lease"},
                  {"metadata", {{"name", election}}},
                  {"spec", wish["spec"]}});
  }
}

double failures(Baton& baton, const Row& row) {
  return row.request == nullptr ? 0
                                : baton.metric("baton_request_failures_total",
                                               {{"request", row.request}, {"kind", row.kind}});
}

// Lines of the log that name the fault, each JSON with the reason as a field of its own.
bool is_logged(const Baton& baton, const std::string& message, const std::string& words) {
  const auto lines = baton.log_lines(message);
  return std::any_of(lines.begin(), lines.end(),
                     [&](const json& line) { return holds(line.value("reason", ""), words); });
}

// Everywhere a person would look.
void expect_trouble_is_seen(Baton& baton, const Row& row, double failures_before) {
  EXPECT_TRUE(wait_until([&] {
    const json status = baton.status();
    return status.is_object() && status["state"] == row.state && status["reason"].is_string() &&
           holds(status["reason"], row.words);
  })) << baton.get("/leader").what
      << baton.log();
  const std::string check = std::string("state: ") + row.state;
  const bool is_ready = std::string(row.state) == "acquiring";
  EXPECT_TRUE(wait_until([&] {
    const Answer ready = baton.probe("/readyz?verbose");
    return ready.status == (is_ready ? 200 : 503) && holds(ready.body, check) &&
           holds(ready.body, row.words);
  })) << baton.probe("/readyz?verbose").what;
  // Metrics and log follow the answers by a moment (R11).
  EXPECT_TRUE(wait_until([&] { return baton.metric("baton_state", {{"state", row.state}}) == 1; }));
  EXPECT_TRUE(row.request == nullptr ||
              wait_until([&] { return failures(baton, row) > failures_before; }))
      << baton.probe("/metrics").body;
  const bool is_list = row.request != nullptr && std::string(row.request) == "list";
  const std::string message = is_list                  ? "list_failed"
                              : row.request != nullptr ? "write_unsettled"
                                                       : "blocked";
  EXPECT_TRUE(wait_until([&] { return is_logged(baton, message, row.words); })) << baton.log();
  EXPECT_EQ(baton.get("/leader").status, 503);
  EXPECT_EQ(baton.get("/token").status, 503);
  EXPECT_EQ(baton.probe("/livez").status, 200);
}

void expect_recovery(Candidates& candidates) {
  EXPECT_EQ(candidates.wait_for_leader(), 0);
  Baton& baton = candidates.at(0);
  EXPECT_TRUE(wait_until([&] {
    return baton.state() == "leading" && baton.reason().empty() &&
           baton.probe("/readyz").status == 200 &&
           baton.metric("baton_state", {{"state", "leading"}}) == 1;
  })) << baton.get("/leader").what
      << baton.log();
}

// Longer than any wait after which it might lead: the lease duration is 3 s.
void expect_nothing_is_gained(Baton& baton, std::int64_t since_ns) {
  const std::int64_t until = since_ns + 4'000'000'000;
  EXPECT_TRUE(wait_until([&] { return boottime_ns() > until || !baton.process().running(); }));
  EXPECT_TRUE(baton.log_lines("gained").empty()) << baton.log();
  EXPECT_TRUE(baton.process().running()) << baton.log();
}

TEST_P(BadAnswers, GiveNoBeliefAreSeenAndRecoveredFrom) {
  const Row& row = GetParam();
  const std::int64_t before = dev::last_sequence();
  std::unique_ptr<Trouble> trouble;
  Candidates candidates(1, [&](BatonOptions& options) {
    store_lease(options.election, json::parse(row.lease));
    trouble = row.begin(row);
    options.user = trouble->user();
  });
  Baton& baton = candidates.at(0);
  ASSERT_TRUE(wait_until([&] { return baton.get("/leader").status != 0; })) << baton.log();
  const std::int64_t since_ns = boottime_ns();
  expect_trouble_is_seen(baton, row, 0);
  expect_nothing_is_gained(baton, since_ns);
  expect_no_hot_loop(before);
  trouble->end();
  expect_recovery(candidates);
}

INSTANTIATE_TEST_SUITE_P(FromTheStart, BadAnswers, testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.name); });

// Own D stands for a duration that makes no sense, so the Lease is taken in the end.
TEST(BadLease, NegativeDurationIsWaitedOutAsOwnDuration) {
  const dev::Fault fault(
      json{{"action", "alter"}, {"patch", {{"spec", {{"leaseDurationSeconds", -5}}}}}});
  Candidates candidates(
      1, [](BatonOptions& options) { store_lease(options.election, json::parse(kHeld)); });
  Baton& baton = candidates.at(0);
  const std::string words = "held by somebody: its term expires after 3 s";
  EXPECT_TRUE(wait_until([&] { return holds(baton.reason(), words); })) << baton.log();
  EXPECT_TRUE(holds(baton.probe("/readyz?verbose").body, "state: following, " + words));
  expect_recovery(candidates);
}

TEST(Rights, WithoutWatchTheProbeAndTheLogSaySo) {
  auto fault = std::make_unique<dev::Fault>(
      json{{"action", "answer"}, {"code", 403}, {"verbs", {"watch"}}, {"body", "{}"}});
  Candidates candidates(1);
  Baton& baton = candidates.at(0);
  EXPECT_EQ(candidates.wait_for_leader(), 0);
  const std::string words = "allows 'watch' on leases.coordination.k8s.io";
  EXPECT_TRUE(wait_until([&] {
    const std::string body = baton.probe("/readyz?verbose").body;
    return holds(body, "watch: down") && holds(body, words);
  }));
  EXPECT_TRUE(holds(baton.reason(), words)) << baton.reason();
  EXPECT_TRUE(wait_until([&] {
    return baton.metric("baton_request_failures_total",
                        {{"request", "watch"}, {"kind", "refused"}}) > 0;
  }));
  EXPECT_TRUE(wait_until([&] { return is_logged(baton, "watch_ended", words); })) << baton.log();
  EXPECT_TRUE(wait_until([&] { return baton.metric("baton_watch_restarts_total", {}) > 0; }));
  fault.reset();
  EXPECT_TRUE(wait_until([&] { return holds(baton.probe("/readyz?verbose").body, "watch: live"); }))
      << baton.log();
  expect_recovery(candidates);
}

class LostWhileLeading : public testing::TestWithParam<Row> {};

// The leader stops by its deadline, counted from sending, and leads again afterwards.
TEST_P(LostWhileLeading, EndsByTheDeadlineIsSeenAndRecoveredFrom) {
  Candidates candidates(1);
  ASSERT_EQ(candidates.wait_for_leader(), 0);
  Baton& baton = candidates.at(0);
  const std::int64_t token = baton.token();
  const double failures_before = failures(baton, GetParam());
  const auto trouble = GetParam().begin(GetParam());
  EXPECT_TRUE(wait_until([&] { return !baton.leads(); })) << baton.log();
  expect_trouble_is_seen(baton, GetParam(), failures_before);
  trouble->end();
  expect_recovery(candidates);
  EXPECT_GT(baton.token(), token);  // R8: another term
  EXPECT_EQ(candidates.judge(), 2U);
}

std::vector<Row> outages() {
  std::vector<Row> rows;
  for (const std::string name :
       {"Unreachable", "CutBeforeAnyAnswer", "ExpiredToken", "ForbiddenEverything",
        "ThrottledWithoutRetryAfter", "ServerError", "Html"}) {
    std::copy_if(std::begin(kRows), std::end(kRows), std::back_inserter(rows),
                 [&](const Row& row) { return row.name == name; });
  }
  return rows;
}

INSTANTIATE_TEST_SUITE_P(AllOfASudden, LostWhileLeading, testing::ValuesIn(outages()),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(BadLease, R4LeaseWithoutSpecIsWaitedOutOnce) {
  Candidates candidates(2, [](BatonOptions& options) {
    if (options.pod == "p0") {
      dev::control("PUT", "/objects/leases/" + options.election,
                   {{"metadata", {{"name", options.election}}}});
    }
  });
  EXPECT_GE(candidates.wait_for_leader(), 0);
}

}  // namespace
}  // namespace baton::test
