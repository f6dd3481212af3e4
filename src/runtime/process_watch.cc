#include "runtime/process_watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "base/result.h"
#include "base/text.h"
#include "base/thread.h"
#include "observe/log.h"

namespace baton::runtime {
namespace {

/// Passes through /proc before a look is left undecided. Two do where nothing starts meanwhile.
constexpr int kMostPasses = 10;

/// The newest first: they are the ones that are soon gone.
Result<std::vector<pid_t>> process_ids() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), ::closedir);
  if (folder == nullptr) return Error{std::string("/proc: ") + std::strerror(errno)};
  std::vector<pid_t> ids;
  errno = 0;  // readdir() sets it on a failure only
  while (const dirent* entry = ::readdir(folder.get())) {
    const auto id = parse_integer(entry->d_name, 1, std::numeric_limits<pid_t>::max());
    if (id) ids.push_back(static_cast<pid_t>(*id));
  }
  if (errno != 0) return Error{std::string("/proc: ") + std::strerror(errno)};
  std::ranges::reverse(ids);
  // Every namespace has its first process for as long as it has any.
  if (ids.empty() || ids.back() != 1) {
    return Error{"/proc does not show all processes; mount it without hidepid"};
  }
  return ids;
}

/// Empty if it cannot be read: errno tells why.
std::optional<std::string> name_of(pid_t id) {
  const std::string path = "/proc/" + std::to_string(id) + "/comm";
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[80];  // a kernel thread's has up to 64 bytes
  const ssize_t size = file.open() ? ::read(file.get(), text, sizeof text) : -1;
  if (size < 0) return {};
  return std::string(text, static_cast<std::size_t>(std::max<ssize_t>(size - 1, 0)));  // less '\n'
}

/// The thread group's last thread has exited.
bool has_exited(const Descriptor& process) {
  pollfd one{process.get(), POLLIN, 0};
  return ::poll(&one, 1, 0) == 1 && (one.revents & POLLIN) != 0;
}

}  // namespace

// A pass alone would not do: one that was listed may exit before it is read and leave a child that
// was not listed. So a pass counts only if none went in the middle of it. What has exited but is
// not yet reaped is still listed: if the pass before has seen it so, it did not go in this one.
NamedProcesses::Presence NamedProcesses::look() {
  std::erase_if(held_, [](const auto& one) { return has_exited(one.second); });
  for (int i = 0; i < kMostPasses; ++i) {
    why_not_ = "no process is named " + name_;
    if (::getpid() == 1) {
      why_not_ +=
          ", and this container sees its own only: set shareProcessNamespace: true in the Pod";
    }
    const std::set<pid_t> ended_before = std::exchange(ended_, {});
    const bool is_whole = pass();
    if (!held_.empty()) return Presence::some;
    if (is_whole && ended_ == ended_before) return Presence::none;
  }
  return Presence::unknown;
}

bool NamedProcesses::pass() {
  const auto ids = process_ids();
  if (!ids.ok()) {
    why_not_ = ids.error();
    return false;
  }
  bool is_whole = true;
  for (const pid_t id : *ids) {
    if (id == ::getpid() || held_.contains(id)) continue;
    const auto name = name_of(id);
    if (name && *name != name_) continue;
    Descriptor process(name ? static_cast<int>(::syscall(SYS_pidfd_open, id, 0)) : -1);
    if (!process.open()) {
      is_whole = false;
      if (errno == ENOENT || errno == ESRCH) continue;
      why_not_ = "process " + std::to_string(id) + ": " + std::strerror(errno);
    } else if (has_exited(process)) {
      ended_.insert(id);
    } else if (held_.size() < kMostHeld) {
      held_.emplace(id, std::move(process));
    }
  }
  return is_whole;
}

void NamedProcesses::append_to(std::vector<pollfd>& descriptors) const {
  for (const auto& [id, process] : held_) descriptors.push_back({process.get(), POLLIN, 0});
}

ProcessWatch::ProcessWatch(const std::string& name, Tell tell, DrainedTerm drained_term,
                           Ended ended, Duration period)
    : processes_(name),
      tell_(std::move(tell)),
      drained_term_(std::move(drained_term)),
      ended_(std::move(ended)),
      period_(period),
      bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  look();
  thread_ = named_thread("process-watch", [this] { run(); });
}

void ProcessWatch::changed() { ::eventfd_write(bell_.get(), 1); }

void ProcessWatch::stop() {
  stopping_ = true;
  changed();
  if (thread_.joinable()) thread_.join();
}

void ProcessWatch::run() {
  std::vector<pollfd> descriptors;
  while (true) {
    descriptors.assign({{bell_.get(), POLLIN, 0}});
    processes_.append_to(descriptors);
    ::poll(descriptors.data(), descriptors.size(),
           static_cast<int>(period_ / std::chrono::milliseconds(1)));
    eventfd_t rings = 0;
    ::eventfd_read(bell_.get(), &rings);
    if (stopping_) return;
    look();
  }
}

void ProcessWatch::look() {
  // Read before looking: only a process that was there before the answers of this term turned to no
  // can have been told a yes, and if it is still there it is found.
  const std::string term_id = drained_term_();
  const auto presence = processes_.look();
  const bool is_up = presence == NamedProcesses::Presence::some;
  const std::string why_not = is_up ? "" : processes_.why_not();
  if (told_ != why_not) {
    if (is_up) observe::log(observe::Level::info, "application's process found", {});
    told_ = why_not;
    tell_({is_up, why_not});
  }
  has_found_ |= is_up;
  if (presence != NamedProcesses::Presence::none || !has_found_) return;
  if (term_id.empty() || term_id == proven_) return;
  proven_ = term_id;
  ended_(term_id);
}

}  // namespace baton::runtime
