// Programs under test: started with arguments and environment, their output kept in a file, ended
// with the test, even if that is killed. Waits have generous bounds; none of them is a measurement.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace baton::test {

inline constexpr std::chrono::seconds kBound{60};

/// Looks at `condition` again and again; false if it did not hold within `bound`.
bool wait_until(const std::function<bool()>& condition, std::chrono::nanoseconds bound = kBound);
void let_pass(std::chrono::nanoseconds time);

/// CLOCK_BOOTTIME in nanoseconds, as in baton's logs.
std::int64_t boottime_ns();

/// A TCP port of 127.0.0.1 that nobody listens on, and that neither another test process nor an
/// outgoing connection is given.
std::uint16_t free_port();
/// `wanted`, or a free one if somebody has that.
std::uint16_t free_port(std::uint16_t wanted);

/// The UID of a Pod that no other test has.
std::string fresh_uid();

/// A fresh folder of this test binary, removed at its end unless a test failed.
std::string make_folder(const std::string& name);
/// The same on a tmpfs.
std::string make_folder_in_memory(const std::string& name);

/// How a program ended.
struct Ended {
  bool by_signal = false;
  int code = 0;  // the exit status, or the signal
};

class Process {
 public:
  using Environment = std::map<std::string, std::string>;

  /// Starts arguments[0] (a path) with our environment, without its BATON_*, and changed by
  /// `environment`. Standard output and error go to the file `output`. Start it on the main thread:
  /// its end ends the program.
  Process(const std::vector<std::string>& arguments, const Environment& environment,
          std::string output);
  /// Ends it by SIGKILL.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void send(int signal) const;
  /// Empty if it still runs after `bound`.
  std::optional<Ended> wait(std::chrono::nanoseconds bound = kBound);
  bool running() { return !wait(std::chrono::nanoseconds(0)); }
  /// When wait() saw its end, on the clock of baton's logs; 0 before.
  std::int64_t ended_ns() const { return ended_ns_; }
  std::string output() const;
  const std::string& output_path() const { return output_; }

 private:
  pid_t pid_ = -1;
  std::optional<Ended> ended_;
  std::int64_t ended_ns_ = 0;
  std::string output_;
};

}  // namespace baton::test
