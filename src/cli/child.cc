#include "cli/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace baton::cli {
namespace {

/// In the child between fork and exec: async-signal-safe calls only.
[[noreturn]] void become(char* const* arguments, char* const* environment, pid_t parent,
                         int report) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (getppid() == parent) execvpe(arguments[0], arguments, environment);
  const int error = errno;
  [[maybe_unused]] const auto written = write(report, &error, sizeof error);
  _exit(127);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

/// The process's own variables, and `added` in place of those of the same names.
std::vector<std::string> merged_environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (added.count(std::string(text.substr(0, text.find('=')))) == 0) out.emplace_back(text);
  }
  for (const auto& [name, value] : added) out.push_back(name + "=" + value);
  return out;
}

}  // namespace

Result<Child> Child::start(const std::vector<std::string>& command,
                           const std::map<std::string, std::string>& environment) {
  std::vector<std::string> words = command;
  std::vector<std::string> variables = merged_environment(environment);
  const std::vector<char*> arguments = pointers(words);
  const std::vector<char*> entries = pointers(variables);
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return Error{std::string("pipe: ") + std::strerror(errno)};
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) become(arguments.data(), entries.data(), parent, report[1]);
  const int fork_error = errno;
  close(report[1]);
  int exec_error = 0;
  ssize_t length = 0;
  if (pid > 0) {
    setpgid(pid, pid);  // also here: a signal may be sent before the child has come to it
    do {
      length = read(report[0], &exec_error, sizeof exec_error);
    } while (length < 0 && errno == EINTR);
  }
  close(report[0]);
  if (pid < 0) return Error{std::string("fork: ") + std::strerror(fork_error)};
  if (length <= 0) return Child(pid);
  waitpid(pid, nullptr, 0);
  return Error{printable(command[0]) + ": " + std::strerror(exec_error)};
}

void Child::signal(int number) const { kill(-pid_, number); }

std::optional<int> Child::poll_exit() {
  siginfo_t info{};
  // Seen but not reaped yet, the group's id cannot have been given to others.
  if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid != pid_) {
    return {};
  }
  kill(-pid_, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace baton::cli
