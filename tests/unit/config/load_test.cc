// Settings from flags, environment and file: precedence, every refusal, the legacy flags.
#include "config/load.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "config/table.h"

namespace baton::config {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Arguments = std::vector<std::string>;

/// A YAML file that lives as long as the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text) {
    char name[] = "/tmp/baton-config-XXXXXX";
    close(mkstemp(name));
    path_ = name;
    std::ofstream(path_) << text;
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Settings good(Arguments arguments, const Environment& environment = {}) {
  const Loaded loaded = load(arguments, environment);
  for (const std::string& error : loaded.errors) ADD_FAILURE() << error;
  return loaded.settings;
}

/// The errors of a load, for one refusal beside a good election name.
std::string refusal(Arguments arguments, const Environment& environment = {}) {
  arguments.insert(arguments.begin(), "--election=app");
  std::string out;
  for (const std::string& error : load(arguments, environment).errors) {
    out += (out.empty() ? "" : "\n") + error;
  }
  return out;
}

std::string file_refusal(const std::string& yaml) {
  const TemporaryFile file(yaml);
  std::string out;
  for (std::string error : load({"--config", file.path()}, {}).errors) {
    const auto at = error.find(file.path());
    if (at != error.npos) error.replace(at, file.path().size(), "FILE");
    out += (out.empty() ? "" : "\n") + error;
  }
  return out;
}

TEST(Load, DefaultsAreThoseOfTheDesign) {
  const Settings settings = good({"--election=app"});
  EXPECT_EQ(settings.election, "app");
  EXPECT_EQ(settings.profile, "balanced");
  EXPECT_EQ(settings.timings.lease_duration, seconds(15));
  EXPECT_EQ(settings.timings.renew_deadline, seconds(12));
  EXPECT_EQ(settings.timings.renew_period, seconds(5));
  EXPECT_EQ(settings.timings.request_timeout, seconds(2));
  EXPECT_EQ(settings.local_addresses, (Arguments{"127.0.0.1:4040", "[::1]:4040"}));
  EXPECT_EQ(settings.probe_addresses, (Arguments{"0.0.0.0:4041", "[::]:4041"}));
  EXPECT_EQ(settings.sidecar, Sidecar::ordinary);
  EXPECT_EQ(settings.replicas, 3);
  EXPECT_EQ(settings.lock_delay, seconds(0));
  EXPECT_EQ(settings.grace_period, seconds(30));
  EXPECT_TRUE(settings.events);
  EXPECT_EQ(settings.log_level, "info");
  EXPECT_TRUE(settings.legacy_addresses.empty());
}

TEST(Load, EveryDefaultAndProfileObeysItsRule) {
  for (const Setting& setting : settings_table()) {
    Draft draft;
    if (setting.standard.empty()) continue;
    EXPECT_EQ(setting.store(setting.standard, draft), "") << setting.key;
  }
  for (const Profile& profile : profiles()) {
    EXPECT_TRUE(election::check_timings(profile.timings).empty()) << profile.name;
  }
  for (const int ttl_s : {1, 2, 3, 7, 10, 60, 3600}) {
    EXPECT_TRUE(election::check_timings(timings_of_ttl(seconds(ttl_s))).empty()) << ttl_s;
  }
}

TEST(Load, FlagsWinOverEnvironmentOverFileOverProfile) {
  const TemporaryFile file("election: from-file\nprofile: aggressive\nretry-min: 60ms\n");
  Settings settings = good({"--config", file.path()});
  EXPECT_EQ(settings.election, "from-file");
  EXPECT_EQ(settings.timings.lease_duration, seconds(3));
  EXPECT_EQ(settings.timings.retry_min, milliseconds(60));
  const Environment environment = {{"BATON_CONFIG", file.path()},
                                   {"BATON_ELECTION", "from-environment"}};
  settings = good({}, environment);
  EXPECT_EQ(settings.election, "from-environment");
  EXPECT_EQ(settings.profile, "aggressive");
  settings = good({"--election", "from-flag", "--profile=conservative"}, environment);
  EXPECT_EQ(settings.election, "from-flag");
  EXPECT_EQ(settings.timings.lease_duration, seconds(45));
  EXPECT_EQ(settings.timings.retry_min, milliseconds(60));
}

TEST(Load, FlagsHaveTwoFormsAndSwitchesAThird) {
  EXPECT_EQ(good({"--election", "app", "--replicas=5"}).replicas, 5);
  EXPECT_TRUE(good({"--election=app", "--events"}).events);
  EXPECT_FALSE(good({"--election=app", "--events=false"}).events);
  EXPECT_FALSE(good({"--events", "false", "--election=app"}).events);
}

TEST(Load, AnEmptyVariableCountsAsNotSet) {
  EXPECT_EQ(good({"--election=app"}, {{"BATON_PROFILE", ""}}).profile, "balanced");
}

TEST(Load, UnknownKeysAreRefusedWithTheNearestKnownOne) {
  EXPECT_EQ(refusal({"--lease-durtion=15s"}),
            "lease-durtion (flag --lease-durtion): no such setting; did you mean lease-duration?");
  EXPECT_EQ(refusal({"--frobnicate", "x"}),
            "frobnicate (flag --frobnicate): no such setting; see baton help run");
  EXPECT_EQ(refusal({}, {{"BATON_REPLICA", "3"}}),
            "BATON_REPLICA (environment): no such setting; did you mean BATON_REPLICAS?");
  EXPECT_EQ(file_refusal("election: app\nnamespaces: x\n"),
            "namespaces (FILE:2): no such setting; did you mean namespace?");
  EXPECT_EQ(refusal({"app"}),
            "\"app\" (argument): settings are given as --key value; see baton help run");
}

TEST(Load, VariablesThatKubernetesSetsForAServiceAreNoSettings) {
  EXPECT_EQ(refusal({}, {{"BATON_SERVICE_HOST", "10.0.0.1"},
                         {"BATON_SERVICE_PORT", "4041"},
                         {"BATON_SERVICE_PORT_METRICS", "4041"},
                         {"BATON_PORT", "tcp://10.0.0.1:4041"},
                         {"BATON_PORT_4041_TCP", "tcp://10.0.0.1:4041"},
                         {"BATON_PORT_4041_TCP_PROTO", "tcp"},
                         {"BATON_PORT_4041_UDP_PORT", "4041"},
                         {"BATON_PORT_4041_TCP_ADDR", "10.0.0.1"},
                         {"BATON_METRICS_PORT", "tcp://10.0.0.1:4041"},
                         {"BATON_METRICS_PORT_1_TCP_ADDR", "10.0.0.1"},
                         {"BATON_FENCING_TOKEN", "7"},
                         {"BATON_TERM_ID", "t"}}),
            "");
  EXPECT_NE(refusal({}, {{"BATON_PROBE_PORT", "4041"}}), "");
  EXPECT_NE(refusal({}, {{"BATON_PORT_X_TCP", "1"}}), "");
  EXPECT_NE(refusal({}, {{"BATON_PORT_" + std::string(200'000, '1'), "1"}}), "");
  for (const Setting& setting : settings_table()) {
    EXPECT_FALSE(is_service_variable(variable_of(setting.key), "tcp://10.0.0.1:1")) << setting.key;
  }
}

TEST(Load, AFlagNeedsItsValueAndComesOnce) {
  EXPECT_EQ(refusal({"--replicas"}),
            "replicas (flag --replicas): needs a value, 1 to 1000; write --replicas=N");
  EXPECT_EQ(refusal({"--namespace", "--events"}),
            "namespace (flag --namespace): needs a value, a DNS label (RFC 1123), at most 63 "
            "characters; write --namespace=NAME");
  EXPECT_EQ(refusal({"--replicas=1", "--replicas=2"}),
            "replicas (flag --replicas): \"2\": is given twice; remove one");
}

TEST(Load, TheElectionsNameIsRequiredAndADnsSubdomain) {
  const auto error = [](const Arguments& arguments) { return load(arguments, {}).errors.at(0); };
  EXPECT_TRUE(error({}).starts_with("election: is required; write --election NAME")) << error({});
  EXPECT_EQ(error({"--election="}),
            "election (flag --election): \"\": must not be empty; write the Lease's name, like "
            "my-app");
  EXPECT_NE(error({"--election=My_App"}).find("a DNS subdomain (RFC 1123) has lower-case letters"),
            std::string::npos);
  EXPECT_NE(error({"--election=" + std::string(254, 'a')}).find("has 254 characters"),
            std::string::npos);
}

TEST(Load, EachBadValueIsRefusedByItsRule) {
  const std::pair<const char*, const char*> cases[] = {
      {"--namespace=a.b", "a DNS label"},
      {"--lease-duration=15", "write 15s"},
      {"--lease-duration=1500ms", "in whole seconds; write 2s"},
      {"--lease-duration=2h", "write at most 1h"},
      {"--renew-period=0s", "write at least 1ms"},
      {"--profile=fast", "must be aggressive, balanced or conservative"},
      {"--sidecar=yes", "must be ordinary or native"},
      {"--local-address=0.0.0.0:4040", "on loopback or a Unix socket only; write 127.0.0.1:4040"},
      {"--local-address=4040", "an address is 127.0.0.1:4040"},
      {"--probe-address=host:4041", "a host is a numeric address"},
      {"--pod-name=A", "a DNS subdomain"},
      {"--pod-uid=a/b", "must be letters, digits"},
      {"--id=a b", "printable ASCII characters without spaces"},
      {"--replicas=0", "from 1 to 1000"},
      {"--replicas=1001", "from 1 to 1000"},
      {"--replicas=three", "from 1 to 1000"},
      {"--lock-delay=1.5s", "write 2s"},
      {"--lock-delay=61m", "write at most 1h"},
      {"--token-floor=-1", "from 0 to 999999999999999999"},
      {"--token-floor=1000000000000000000", "from 0 to 999999999999999999"},
      {"--warm-up-limit=1d", "a unit"},
      {"--grace-period=0s", "write at least 1s"},
      {"--leader-service=1st", "begins with a letter"},
      {"--leader-service=a.b", "a DNS label"},
      {"--leader-service-ports=http", "must be NAME=PORT with a port from 1 to 65535"},
      {"--leader-service-ports=0", "must be NAME=PORT"},
      {"--leader-service-ports=http=65536", "must be NAME=PORT"},
      {"--leader-service-ports=Http=80", "must be NAME=PORT"},
      {"--leader-service-ports==80", "must be NAME=PORT"},
      {"--leader-service-ports=a=1,a=2", "names port a twice"},
      {"--leader-service-ports=1,2", "names no port twice"},
      {"--leader-service-ports=a=1,2", "several ports have a name each"},
      {"--leader-label=yes", "must be true or false"},
      {"--app-health-url=https://127.0.0.1:8080/", "no https"},
      {"--app-health-url=127.0.0.1:8080/healthz", "must be http://HOST[:PORT][/PATH]"},
      {"--app-process=/usr/bin/worker", "is a path; write its last part, worker"},
      {"--app-process=my-database-worker",
       "has 18 characters, of which the kernel keeps 15; write "
       "my-database-wor"},
      {"--app-process=caf\xC3\xA9", "must be printable ASCII characters"},
      {"--app-process=baton", "is baton's own"},
      {"--holders=web,web", "names web twice"},
      {"--holders=web,", "a DNS label"},
      {"--events=yes", "must be true or false"},
      {"--log-level=trace", "must be debug, info, warning or error"},
      {"--ttl=90", "write 90s"},
      {"--http=nowhere", "an address is"},
      {"--use-cluster-credentials=1", "must be true or false"},
  };
  for (const auto& [argument, part] : cases) {
    const std::string error = refusal({argument});
    const std::string text(argument);
    EXPECT_NE(error.find(part), std::string::npos) << error;
    EXPECT_NE(error.find("\"" + text.substr(text.find('=') + 1) + "\""), std::string::npos)
        << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

TEST(Load, AllErrorsComeAtOnceEachWithItsOrigin) {
  const TemporaryFile file("replicas: 0\nsidecar: maybe\n");
  const Loaded loaded = load({"--lease-duration=15", "--config=" + file.path()},
                             {{"BATON_LOG_LEVEL", "loud"}, {"BATON_X", "1"}});
  ASSERT_EQ(loaded.errors.size(), 6u);
  std::string all;
  for (const std::string& error : loaded.errors) all += error + "\n";
  for (const std::string& part :
       {std::string("BATON_X (environment)"), std::string("election: is required"),
        std::string("lease-duration (flag --lease-duration): \"15\""),
        "sidecar (" + file.path() + ":2): \"maybe\"", "replicas (" + file.path() + ":1): \"0\"",
        std::string("log-level (variable BATON_LOG_LEVEL): \"loud\"")}) {
    EXPECT_NE(all.find(part), std::string::npos) << part << " in\n" << all;
  }
}

TEST(Load, TimingsThatBreakR3OrR15AreRefusedWithTheirOrigin) {
  // R3: 5 V <= 4 D.
  EXPECT_TRUE(refusal({"--renew-deadline=13s"})
                  .starts_with("timings (renew-deadline from flag --renew-deadline): "));
  // R15: three attempts fit in V: h + 3 R + 2 retry_max < V.
  EXPECT_NE(refusal({"--request-timeout=3s"}), "");
  EXPECT_NE(refusal({"--retry-min=400ms", "--retry-max=300ms"}), "");
  EXPECT_EQ(refusal({"--lease-duration=20s", "--renew-deadline=16s"}), "");
}

TEST(Load, TimingsAreRefusedWithOneLineForEachRule) {
  const Loaded loaded = load({"--election=a", "--renew-deadline=13s", "--renew-period=9s"}, {});
  ASSERT_EQ(loaded.errors.size(), 2U);
  EXPECT_NE(loaded.errors[0].find("(R3"), std::string::npos) << loaded.errors[0];
  EXPECT_NE(loaded.errors[1].find("(R15"), std::string::npos) << loaded.errors[1];
}

TEST(Load, TheLeadersServiceAndItsPortsComeTogether) {
  const Settings settings =
      good({"--election=app", "--leader-service=web", "--leader-service-ports=http=8080, m=90"});
  EXPECT_EQ(settings.leader_service, "web");
  EXPECT_EQ(settings.leader_service_ports, (std::vector<ServicePort>{{"http", 8080}, {"m", 90}}));
  EXPECT_FALSE(settings.leader_label);
  EXPECT_EQ(
      refusal({"--leader-service=web"}),
      "leader-service (flag --leader-service): \"web\": needs leader-service-ports beside it; "
      "write the ports like http=8080");
  EXPECT_EQ(refusal({"--leader-service-ports=8080"}),
            "leader-service-ports (flag --leader-service-ports): \"8080\": needs leader-service "
            "beside it; name the Service");
  EXPECT_EQ(refusal({"--leader-service=web", "--leader-service-ports=x"}).find("beside it"),
            std::string::npos);  // one mistake, told once
}

TEST(Load, TheLeaderLabelHoldsTheElectionsName) {
  const std::string longest(63, 'a');
  EXPECT_TRUE(good({"--election=" + longest, "--leader-label"}).leader_label);
  const Loaded loaded = load({"--election=" + longest + "a", "--leader-label"}, {});
  ASSERT_EQ(loaded.errors.size(), 1u);
  EXPECT_NE(
      loaded.errors[0].find("has 64 characters, and as the value of the leader label at most"),
      std::string::npos);
}

TEST(Load, AMaximumTermIsLongAndForSeveralReplicas) {
  EXPECT_EQ(good({"--election=app", "--max-term=150s"}).max_term, seconds(150));
  EXPECT_EQ(good({"--election=app", "--max-term=0s", "--replicas=1"}).max_term, seconds(0));
  EXPECT_EQ(
      refusal({"--max-term=149s"}),
      "max-term (flag --max-term): \"149s\": must be 0s or at least 10 x the lease duration of "
      "15s; write at least 150s");
  EXPECT_EQ(refusal({"--max-term=1h", "--replicas=1"}),
            "max-term (flag --max-term): \"1h\": is of no use to a single replica (replicas is 1), "
            "which would only pause; remove one of them");
}

TEST(Load, OneProcessDoesNotSpeakForSeveralHolders) {
  EXPECT_EQ(good({"--election=app", "--app-process=my-database-wo"}).app_process, "my-database-wo");
  EXPECT_EQ(good({"--election=app", "--app-process=", "--holders=a,b"}).app_process, "");
  EXPECT_EQ(refusal({"--app-process=worker", "--holders=a,b"}),
            "app-process (flag --app-process): \"worker\": its end would speak for all holders "
            "(flag --holders), who each speak for themselves; remove one");
}

TEST(Load, OnePortServesOneListener) {
  EXPECT_EQ(refusal({"--probe-address=0.0.0.0:4040"}),
            "probe-address (flag --probe-address): \"0.0.0.0:4040\": is already taken by "
            "local-address 127.0.0.1:4040; choose another port or path");
  EXPECT_NE(refusal({"--local-address=127.0.0.1:1,127.0.0.1:1"}), "");
  EXPECT_NE(refusal({"--http=0.0.0.0:4041"}), "");
  EXPECT_NE(refusal({"--local-address=unix:/b", "--probe-address=unix:/b"}), "");
  EXPECT_EQ(refusal({"--local-address=127.0.0.1:0", "--probe-address=127.0.0.1:0"}), "");
  EXPECT_EQ(refusal({"--local-address=off", "--probe-address=off"}), "");
}

TEST(Load, AFileHasOneFlatMapWithEachKeyOnce) {
  EXPECT_EQ(file_refusal("election: app\nelection: other\n"),
            "election (FILE:2): is given twice; remove one");
  EXPECT_EQ(file_refusal("election: app\nreplicas: {a: 1}\n"),
            "replicas (FILE:2): has the wrong type; write one value, or a list where the setting "
            "takes a list");
  EXPECT_EQ(file_refusal("election: app\nreplicas:\n"),
            "replicas (FILE:2): has no value; write one or remove the key");
  EXPECT_EQ(file_refusal("election: app\nconfig: x\n"),
            "config (FILE:2): a settings file names no other; remove the key");
  EXPECT_NE(file_refusal("- election\n").find("is not a YAML map"), std::string::npos);
  EXPECT_NE(file_refusal("election: [\n").find("is not valid YAML"), std::string::npos);
  EXPECT_NE(file_refusal("a: 1\n---\nb: 2\n").find("several YAML documents"), std::string::npos);
  // Nothing that yaml-cpp cannot place makes it read for ever.
  EXPECT_NE(file_refusal("---\n, a\n").find("several YAML documents"), std::string::npos);
  EXPECT_NE(file_refusal("? [a, b]\n: 1\n").find("no such setting"), std::string::npos);
  EXPECT_NE(refusal({"--config=/nonexistent"}).find("No such file"), std::string::npos);
  EXPECT_NE(refusal({"--config=/a\nb"}).find("/a?b: No such file"), std::string::npos);
  EXPECT_NE(refusal({"--config=/tmp"}), "");
}

TEST(Load, AListInTheFileMayBeASequence) {
  const TemporaryFile file(
      "election: app\nholders: [web, worker]\nlocal-address:\n  - 127.0.0.1:1\n  - unix:/s\n");
  const Settings settings = good({"--config", file.path()});
  EXPECT_EQ(settings.holders, (Arguments{"web", "worker"}));
  EXPECT_EQ(settings.local_addresses, (Arguments{"127.0.0.1:1", "unix:/s"}));
}

TEST(Load, TtlStandsForASetOfTimings) {
  // "--ttl=T (rounded up to whole seconds) maps to D=T, V=0.8T, h=T/4, R=T/8, retry <= T/20"
  const auto timings = good({"--election=app", "--ttl=9500ms"}).timings;
  EXPECT_EQ(timings.lease_duration, seconds(10));
  EXPECT_EQ(timings.renew_deadline, seconds(8));
  EXPECT_EQ(timings.renew_period, milliseconds(2500));
  EXPECT_EQ(timings.request_timeout, milliseconds(1250));
  EXPECT_EQ(timings.retry_max, milliseconds(500));
  EXPECT_EQ(refusal({"--ttl=10s", "--profile=balanced"}),
            "ttl (flag --ttl): \"10s\": cannot stand beside profile (flag --profile); remove one");
}

TEST(Load, LegacyHttpOnLoopbackIsTheLocalApi) {
  const Settings settings = good({"--election=app", "--http=localhost:4040"});
  EXPECT_EQ(settings.local_addresses, (Arguments{"127.0.0.1:4040", "[::1]:4040"}));
  EXPECT_TRUE(settings.legacy_addresses.empty());
  EXPECT_EQ(good({"--election=app", "--http=127.0.0.1:8080"}).local_addresses,
            (Arguments{"127.0.0.1:8080"}));
  EXPECT_EQ(good({"--election=app", "--http="}).local_addresses.size(), 2u);
}

TEST(Load, LegacyHttpElsewhereServesTheNameAndTheLocalApiMakesWay) {
  Settings settings = good({"--election=app", "--http=0.0.0.0:4040"});
  EXPECT_EQ(settings.legacy_addresses, (Arguments{"0.0.0.0:4040"}));
  EXPECT_EQ(settings.local_addresses, (Arguments{"127.0.0.1:4042", "[::1]:4042"}));
  settings = good({"--election=app", "--http=:8080"});
  EXPECT_EQ(settings.legacy_addresses, (Arguments{"0.0.0.0:8080", "[::]:8080"}));
  EXPECT_EQ(settings.local_addresses, (Arguments{"127.0.0.1:4040", "[::1]:4040"}));
  EXPECT_NE(refusal({"--http=0.0.0.0:4040", "--local-address=127.0.0.1:4040"}), "");
}

TEST(Load, ADeploymentOfTheRetiredElectorStartsUnchanged) {
  const Settings settings =
      good({"--election=app", "--election-namespace=prod", "--id=pod-1", "--ttl=10s",
            "--http=0.0.0.0:4040", "--use-cluster-credentials=true"});
  EXPECT_EQ(settings.namespace_name, "prod");
  EXPECT_EQ(settings.id, "pod-1");
  EXPECT_NE(refusal({"--use-cluster-credentials", "--kubeconfig=/k"}), "");
  EXPECT_EQ(refusal({"--use-cluster-credentials=false", "--kubeconfig=/k"}), "");
  EXPECT_NE(refusal({"--election-namespace=a", "--namespace=b"}), "");
}

}  // namespace
}  // namespace baton::config
