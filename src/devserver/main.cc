// baton-devserver: a development API server in memory. See docs/devserver.md.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "base/text.h"
#include "devserver/api_server.h"
#include "devserver/certificate.h"
#include "devserver/control.h"
#include "devserver/folder.h"

namespace baton::devserver {
namespace {

constexpr const char* kUsage =
    "usage: baton-devserver --dir DIR [--port N]\n"
    "Serves a development Kubernetes API (Leases, Pods, Events, access reviews) on 127.0.0.1 "
    "until\n"
    "SIGTERM, and writes kubeconfigs for it into DIR; DIR/ready comes last. In memory: what was\n"
    "stored is gone afterwards. Faults are switched on over the address in DIR/control.\n";

struct Flags {
  std::string folder;
  std::int64_t port = 0;  // 0: the kernel chooses
};

int fail(const std::string& why) {
  std::fprintf(stderr, "baton-devserver: %s\n", why.c_str());
  return 2;
}

Result<Flags> parse_flags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc || (name != "--dir" && name != "--port")) {
      return Error{"unknown flag, or one without a value: " + printable(name) + "\n" + kUsage};
    }
    if (name == "--dir") {
      flags.folder = argv[i + 1];
      continue;
    }
    const auto port = parse_integer(argv[i + 1], 0, 65535);
    if (!port) {
      return Error{"--port " + printable(argv[i + 1]) + ": a port is a number from 0 to 65535"};
    }
    flags.port = *port;
  }
  if (flags.folder.empty()) return Error{std::string("--dir is missing\n") + kUsage};
  return flags;
}

// SIGTERM and SIGINT end the program, and so does the end of whoever started it.
sigset_t block_signals() {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  return ending;
}

void die_with(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) {
    raise(SIGTERM);  // it went before we asked
  }
}

int serve(const Flags& flags, const sigset_t& ending) {
  const CertificateAuthority authority("baton devserver");
  const auto certificate =
      authority.issue({"baton-devserver", {"IP:127.0.0.1", "IP:::1", "DNS:localhost"}});
  const auto users = make_users();
  ApiServer api(users);
  Control control(api);
  http::ServerOptions options;
  options.address = "127.0.0.1:" + std::to_string(flags.port);
  options.limits = kGenerousLimits;
  options.tls = std::make_shared<http::ServerTls>(
      http::ServerTls{certificate.certificate_pem, certificate.key_pem, ""});
  auto api_server = http::Server::listen(options, api.handler());
  options.address = "127.0.0.1:0";
  options.tls = nullptr;
  auto control_server = http::Server::listen(options, control.handler());
  if (!api_server || !control_server) {
    return fail(api_server ? control_server.error() : api_server.error());
  }
  api.attach(**api_server);
  control.attach(**control_server);
  (*api_server)->start();
  (*control_server)->start();
  const ClusterFiles files{"https://" + (*api_server)->address(),
                           "http://" + (*control_server)->address(), authority.pem(),
                           CertificateAuthority("a stranger").pem()};
  const std::string failed = write_cluster_files(flags.folder, files, users);
  if (failed.empty()) {
    std::fprintf(stderr, "baton-devserver: serving %s, control %s, kubeconfigs in %s\n",
                 files.server_url.c_str(), files.control_url.c_str(), flags.folder.c_str());
    int signal = 0;
    sigwait(&ending, &signal);
  }
  (*control_server)->stop();
  (*api_server)->stop();
  return failed.empty() ? 0 : fail(failed);
}

}  // namespace

int run(int argc, char** argv) {
  const pid_t parent = getppid();
  const sigset_t ending = block_signals();
  die_with(parent);
  const auto flags = parse_flags(argc, argv);
  return flags ? serve(*flags, ending) : fail(flags.error());
}

}  // namespace baton::devserver

int main(int argc, char** argv) { return baton::devserver::run(argc, argv); }
