// baton-fault-proxy: a FaultProxy as a program. See docs/devserver.md.
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/text.h"
#include "support/fault_proxy.h"

namespace {

constexpr const char* kUsage =
    "usage: baton-fault-proxy --upstream KUBECONFIG --kubeconfig-out FILE [both again…]\n"
    "                         [--port N] [--control N]\n"
    "Serves on 127.0.0.1 until SIGTERM what the API server of KUBECONFIG serves, with the faults\n"
    "that are switched on at the control port. FILE, for the same user, leads to the proxy.\n";

struct Flags {
  std::vector<baton::test::ProxiedUser> users;
  std::int64_t port = 0, control_port = 0;
};

baton::Result<Flags> parse_flags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    const bool is_port = name == "--port" || name == "--control";
    if (i + 1 == argc || (!is_port && name != "--upstream" && name != "--kubeconfig-out")) {
      return baton::Error{"unknown flag, or one without a value: " + baton::printable(name) + "\n" +
                          kUsage};
    }
    const std::string value = argv[i + 1];
    if (name == "--upstream") flags.users.push_back({value, ""});
    if (name == "--kubeconfig-out" &&
        (flags.users.empty() || !flags.users.back().kubeconfig_out.empty())) {
      return baton::Error{"--kubeconfig-out belongs behind its --upstream"};
    }
    if (name == "--kubeconfig-out") flags.users.back().kubeconfig_out = value;
    if (!is_port) continue;
    const auto port = baton::parse_integer(value, 0, 65535);
    if (!port) {
      return baton::Error{name + " " + baton::printable(value) +
                          ": a port is a number from 0 to 65535"};
    }
    (name == "--port" ? flags.port : flags.control_port) = *port;
  }
  for (const auto& user : flags.users) {
    if (user.kubeconfig_out.empty()) {
      return baton::Error{"--upstream " + user.kubeconfig + " has no --kubeconfig-out"};
    }
  }
  return flags;
}

int fail(const std::string& why) {
  std::fprintf(stderr, "baton-fault-proxy: %s\n", why.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const pid_t parent = getppid();
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) raise(SIGTERM);  // it went before we asked
  const auto flags = parse_flags(argc, argv);
  if (!flags) return fail(flags.error());
  const auto proxy =
      baton::test::FaultProxy::start(flags->users, static_cast<std::uint16_t>(flags->port),
                                     static_cast<std::uint16_t>(flags->control_port));
  if (!proxy) return fail(proxy.error());
  std::fprintf(stderr, "baton-fault-proxy: serving https://%s, control http://%s\n",
               (*proxy)->address().c_str(), (*proxy)->control_address().c_str());
  int signal = 0;
  sigwait(&ending, &signal);
  return 0;
}
