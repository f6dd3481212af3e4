#include "support/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <stdexcept>

#include "support/text.h"

namespace baton::test {
namespace {

constexpr int kPauseMs = 5;

// One folder for the test binary, with a folder for each thing in it.
class Root {
 public:
  explicit Root(const std::filesystem::path& under) {
    std::string pattern = (under / "baton-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data()) == nullptr ? "." : pattern;
  }
  ~Root() {
    if (testing::UnitTest::GetInstance()->Failed()) {
      std::fprintf(stderr, "logs kept in %s\n", path_.c_str());
      return;
    }
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

bool can_bind(std::uint16_t port, int beside_closed_connections = 0) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &beside_closed_connections, sizeof(int));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return bound;
}

// The first of `kPorts` ports that no other test process of this network namespace is given: a name
// in the abstract namespace of Unix sockets is this process's until it ends.
constexpr std::uint16_t kPorts = 100;
std::uint16_t first_port() {
  for (std::uint16_t first = 10000; first < 30000; first += kPorts) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = "baton-test-ports-" + std::to_string(first);
    name.copy(address.sun_path + 1, name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) {
      return first;
    }
    ::close(fd);
  }
  throw std::runtime_error("every port of 10000 to 29999 is some test's");
}

std::string make_folder_of(const Root& root, const std::string& name) {
  static int count = 0;
  const std::string path = root.path() + "/" + std::to_string(++count) + "-" + name;
  std::filesystem::create_directories(path);
  return path;
}

// In the child, between fork and exec.
[[noreturn]] void become(char* const* arguments, char* const* environment, const char* output,
                         pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) {
    ::_exit(127);
  }
  const int fd = ::open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(fd, STDOUT_FILENO);
  ::dup2(fd, STDERR_FILENO);
  ::close(STDIN_FILENO);
  ::execve(arguments[0], arguments, environment);
  ::perror(arguments[0]);
  ::_exit(127);
}

std::vector<std::string> changed_environment(const Process::Environment& changes) {
  std::vector<std::string> lines;
  for (char** line = environ; *line != nullptr; ++line) {
    const std::string text = *line;
    // A person's BATON_* settings are not the test's.
    if (!text.starts_with("BATON_") && !changes.contains(text.substr(0, text.find('=')))) {
      lines.push_back(text);
    }
  }
  for (const auto& [key, value] : changes) {
    lines.push_back(key + "=" + value);
  }
  return lines;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) {
    list.push_back(text.data());
  }
  list.push_back(nullptr);
  return list;
}

}  // namespace

std::int64_t boottime_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

bool wait_until(const std::function<bool()>& condition, std::chrono::nanoseconds bound) {
  const std::int64_t end = boottime_ns() + bound.count();
  while (!condition()) {
    if (boottime_ns() >= end) {
      return false;
    }
    ::poll(nullptr, 0, kPauseMs);
  }
  return true;
}

void let_pass(std::chrono::nanoseconds time) {
  wait_until([] { return false; }, time);
}

std::uint16_t free_port() {
  static const std::uint16_t first = first_port();
  static std::uint16_t next = 0;
  while (true) {
    const auto port = static_cast<std::uint16_t>(first + next++ % kPorts);
    if (can_bind(port)) {
      return port;
    }
  }
}

std::uint16_t free_port(std::uint16_t wanted) { return can_bind(wanted, 1) ? wanted : free_port(); }

std::string fresh_uid() { return text_of("/proc/sys/kernel/random/uuid").substr(0, 36); }

std::string make_folder(const std::string& name) {
  static const Root root(std::filesystem::temp_directory_path());
  return make_folder_of(root, name);
}

std::string make_folder_in_memory(const std::string& name) {
  static const Root root("/dev/shm");
  return make_folder_of(root, name);
}

Process::Process(const std::vector<std::string>& arguments, const Environment& environment,
                 std::string output)
    : output_(std::move(output)) {
  std::vector<std::string> words = arguments;
  std::vector<std::string> variables = changed_environment(environment);
  const auto argv = pointers(words);
  const auto envp = pointers(variables);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    become(argv.data(), envp.data(), output_.c_str(), parent);
  }
}

Process::~Process() {
  if (!ended_) {
    send(SIGKILL);
    wait();
  }
}

void Process::send(int signal) const {
  if (!ended_) {
    ::kill(pid_, signal);
  }
}

std::optional<Ended> Process::wait(std::chrono::nanoseconds bound) {
  wait_until(
      [this] {
        int status = 0;
        if (!ended_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
          ended_ = WIFSIGNALED(status) ? Ended{true, WTERMSIG(status)}
                                       : Ended{false, WEXITSTATUS(status)};
          ended_ns_ = boottime_ns();
        }
        return ended_.has_value();
      },
      bound);
  return ended_;
}

std::string Process::output() const { return text_of(output_); }

}  // namespace baton::test
