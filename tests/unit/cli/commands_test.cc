// Dispatch, usage errors, help, and the reference page.
#include "cli/commands.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "config/table.h"
#include "unit/cli/fake_sidecar.h"

namespace baton::cli {
namespace {

std::string election_run;
int remember(const config::Settings& settings) {
  election_run = settings.election;
  return 7;
}

TEST(Commands, RunIsTheDefaultWhereTheFirstWordIsAFlag) {
  EXPECT_EQ(run_cli({"run", "--election=a"}, {}, remember).code, 7);
  EXPECT_EQ(election_run, "a");
  EXPECT_EQ(run_cli({"--election", "b"}, {}, remember).code, 7);
  EXPECT_EQ(election_run, "b");
  EXPECT_EQ(run_cli({}, {{"BATON_ELECTION", "c"}}, remember).code, 7);
  EXPECT_EQ(election_run, "c");
}

TEST(Commands, BadSettingsExitTwoWithOneLineEach) {
  const Outcome outcome = run_cli({"run", "--replicas=0", "--sidecar=x"}, {}, remember);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 3);  // with the election's
  EXPECT_TRUE(outcome.err.starts_with("baton: ")) << outcome.err;
}

// Also what is wrong with the kubeconfig that they name.
TEST(Commands, BadSettingsAndABadKubeconfigAreToldAtOnce) {
  for (const char* command : {"run", "check"}) {
    const Outcome outcome =
        run_cli({command, "--election=a", "--replicas=0", "--kubeconfig=/nowhere"}, {}, remember);
    EXPECT_EQ(outcome.code, 2);
    const std::string all = outcome.out + outcome.err;
    EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 2) << all;
    EXPECT_NE(all.find("replicas (flag --replicas): "), std::string::npos) << all;
    EXPECT_NE(all.find("kubeconfig /nowhere: No such file or directory; name a kubeconfig"),
              std::string::npos)
        << all;
  }
}

TEST(Commands, BadUsageExitsTwoWithOneLine) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"resing"}, "\"resing\": no such command; did you mean resign?"},
      {{"frobnicate"}, "no such command; see baton help"},
      {{"status", "--jsn"},
       "status: --jsn: no such option; did you mean --json? (baton help status)"},
      {{"status", "now"}, "status: \"now\": one word too many"},
      {{"status", "--watch=yes"}, "--watch: takes no value; leave it out"},
      {{"status", "--watch", "--watch"}, "--watch: is given twice; remove one"},
      {{"drained", "--term"}, "--term: needs a value, ID"},
      {{"resign", "--wait=10"},
       "a duration is a number and a unit (us, ms, s, m, h), as in 90s or 1m30s; write 10s"},
      {{"resign", "--announce", "--drained"}, "--announce releases nothing"},
      {{"probe"}, "write live, ready, started or leader"},
      {{"probe", "alive"}, "probe: \"alive\": write live"},
      {{"token", "--local-address=off"}, "the sidecar does not listen"},
      {{"token", "--local-address=4040"}, "an address is 127.0.0.1:4040"},
      {{"wait", "--timeout=-1s"}, "a duration is a number"},
      {{"exec"}, "exec: needs a command; write baton exec -- COMMAND"},
      {{"install"}, "needs a PATH"},
      {{"check", "--measure", "0s", "--election=a"},
       "check: --measure: \"0s\": must lie between 1s and 1h; write at least 1s"},
      {{"check", "--election=a", "--measure=10h"},
       "check: --measure: \"10h\": must lie between 1s and 1h; write at most 1h"},
      {{"check", "--election=a", "--measure", "-5s"},
       "check: --measure: \"-5s\": a duration is a number and a unit"},
      {{"check", "--measure=60", "--election=a"}, "as in 90s or 1m30s; write 60s"},
      {{"check", "--measure=", "--election=a"}, "check: --measure: \"\": a duration is"},
      {{"check", "--election=a", "--measure"}, "--measure: needs a value, DURATION"},
      {{"check", "--measure=1s", "--election=a", "--measure=2s"}, "--measure: is given twice"},
      {{"help", "nothing"}, "no such command"},
  };
  for (const auto& [arguments, part] : cases) {
    const Outcome outcome = run_cli(arguments);
    EXPECT_EQ(outcome.code, 2) << part;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(Commands, ALeaseToMeasureNeedsANameToo) {
  const std::string election(250, 'a');
  const Outcome outcome = run_cli({"check", "--measure=1s", "--election=" + election});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out, "FAIL configuration: --measure writes to the Lease " + election +
                             "-measure: has 258 characters; a DNS subdomain (RFC 1123) has at most "
                             "253; choose a shorter name\n");
}

TEST(Commands, HelpExplainsEveryCommandAndSetting) {
  const Outcome overview = run_cli({"--help"});
  EXPECT_EQ(overview.code, 0);
  for (const Command& command : commands()) {
    EXPECT_EQ(overview.out.find("\n  " + std::string(command.name) + "\n") == std::string::npos,
              command.hidden);
    EXPECT_EQ(run_cli({std::string(command.name), "--help"}).out,
              run_cli({"help", std::string(command.name)}).out);
  }
  const std::string help = run_cli({"run", "--election=a", "-h"}).out;
  for (const config::Setting& setting : config::settings_table()) {
    EXPECT_NE(help.find("\n  --" + std::string(setting.key)), std::string::npos) << setting.key;
  }
}

TEST(Commands, VersionIsOneLine) {
  EXPECT_EQ(run_cli({"version"}).out, "baton " BATON_VERSION "\n");
  EXPECT_EQ(run_cli({"--version"}).out, "baton " BATON_VERSION "\n");
}

TEST(Commands, InstallCopiesItselfAtomicallyAndExecutable) {
  char directory[] = "/tmp/baton-install-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::filesystem::path target = std::filesystem::path(directory) / "baton";
  std::ofstream(target) << "an older version";
  EXPECT_EQ(run_cli({"install", directory}).code, 0);
  struct stat status {};
  ASSERT_EQ(stat(target.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0755u);
  EXPECT_EQ(std::filesystem::file_size(target), std::filesystem::file_size("/proc/self/exe"));
  EXPECT_EQ(run_cli({"install", target.string() + "-2"}).code, 0);
  const Outcome outcome = run_cli({"install", std::string(directory) + "/no/such/place"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("No such file or directory; choose"), std::string::npos)
      << outcome.err;
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++files;
  EXPECT_EQ(files, 2);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace baton::cli
