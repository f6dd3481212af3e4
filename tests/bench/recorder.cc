// What the flight recorder costs the election's thread. A leader renews over and over in logical
// time; each step is timed for real, then what recording adds to it, in one run.
#include "runtime/recorder.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "observe/codec.h"

namespace baton {
namespace {

using namespace election;  // NOLINT(google-build-using-namespace)

constexpr int kRenewals = 20'000;

/// Answers every request at once, as an API server with one Lease.
class Server {
 public:
  /// What comes back to the election, in this order.
  std::vector<Event> answer(const Step& step) {
    std::vector<Event> events;
    for (const Action& action : step.actions) {
      if (const auto* list = std::get_if<SendList>(&action)) {
        events.emplace_back(Listed{list->id, revision_, lease_});
      } else if (const auto* watch = std::get_if<StartWatch>(&action)) {
        watch_ = watch->id;
      } else if (const auto* put = std::get_if<SendWrite>(&action)) {
        store(put->write);
        events.emplace_back(Written{put->id, *lease_});
        events.emplace_back(Watched{watch_, WatchEventKind::changed, revision_, lease_});
      }
    }
    return events;
  }

 private:
  void store(const LeaseWrite& write) {
    lease_ = write.base;
    lease_->uid = "0b1f6a52-9a0f-4a51-8f7e-3a4ce2b1d001";
    lease_->version = ++revision_;
    lease_->holder = write.holder;
    lease_->duration_s = write.duration_s;
    lease_->transitions = write.transitions;
    lease_->annotations = write.annotations;
    // About what a real one has.
    lease_->spec = R"({"acquireTime":"2026-01-01T00:00:00.000000Z","holderIdentity":")" +
                   write.holder + R"(","leaseDurationSeconds":15,"renewTime":")" +
                   std::to_string(revision_) + "\"}";
  }

  std::optional<Lease> lease_;
  Revision revision_ = 1000;
  WatchId watch_ = 0;
};

Options options() {
  Options options;
  options.identity = "worker-7d9c5b6f4-x2x7q_0b1f6a52_0123456789abcdef";
  options.timings = {std::chrono::seconds(15),       std::chrono::seconds(12),
                     std::chrono::seconds(5),        std::chrono::seconds(2),
                     std::chrono::milliseconds(250), std::chrono::milliseconds(450)};
  return options;
}

class Bench {
 public:
  explicit Bench(const std::string& path) : path_(path) {
    auto recorder = runtime::Recorder::open(path, {"bench", "bench", "bench"}, election_);
    if (!recorder.ok()) {
      std::fprintf(stderr, "%s\n", recorder.error().c_str());
      std::exit(1);
    }
    recorder_ = std::move(recorder).value();
  }

  void run() {
    while (alone_.size() < 3 * kRenewals) {
      const Step woken = step(Tick{});
      std::vector<Event> events = server_.answer(woken);
      Instant wake_at = woken.wake_at;
      for (std::size_t i = 0; i < events.size(); ++i) {
        const Step next = step(events[i]);
        wake_at = next.wake_at;
        for (Event& more : server_.answer(next)) events.push_back(std::move(more));
      }
      now_ = std::max(now_, wake_at);
    }
  }

  std::vector<std::int64_t> alone_, added_, digest_;  // ns of each step

 private:
  Step step(const Event& event) {
    now_ += std::chrono::microseconds(100);
    const Instant begin = boot_now();
    Step result = election_.step(event, now_, kLongAgo);
    const Instant stepped = boot_now();
    const std::uint64_t answer = observe::digest(result, election_.status());
    const Instant digested = boot_now();
    recorder_->stepped({event, now_, kLongAgo, answer}, election_);
    const Instant end = boot_now();
    digest_.push_back((digested - stepped).count());
    alone_.push_back((stepped - begin).count());
    added_.push_back((end - stepped).count());
    // Until it is written, as between the steps of a real election.
    const std::uintmax_t before = size_;
    while (size_ == before) {
      std::this_thread::yield();
      std::error_code error;  // between two files there is none
      const std::uintmax_t size = std::filesystem::file_size(path_, error);
      if (!error) size_ = size;
    }
    return result;
  }

  const std::string path_;
  Election election_{options(), Instant(std::chrono::hours(1))};
  Instant now_{std::chrono::hours(1)};
  Server server_;
  std::unique_ptr<runtime::Recorder> recorder_;
  std::uintmax_t size_ = 0;
};

std::int64_t at(const std::vector<std::int64_t>& sorted, double share) {
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

void print(const char* name, std::vector<std::int64_t>& ns) {
  std::sort(ns.begin(), ns.end());
  std::printf("%-28s p50 %6ld ns   p99 %6ld ns   max %8ld ns\n", name, at(ns, .5), at(ns, .99),
              ns.back());
}

int run() {
  const std::string folder = std::filesystem::temp_directory_path() / "baton-bench-XXXXXX";
  std::string path = folder;
  if (::mkdtemp(path.data()) == nullptr) return 1;
  {
    Bench bench(path + "/recording");
    bench.run();
    print("a step of the election", bench.alone_);
    print("what recording adds to it", bench.added_);
    print("  of this, the digest", bench.digest_);
    std::printf(
        "ratio with / without          %.1f (p50); a renewal has three steps: %.1f us more\n",
        static_cast<double>(at(bench.alone_, .5) + at(bench.added_, .5)) /
            static_cast<double>(at(bench.alone_, .5)),
        3e-3 * static_cast<double>(at(bench.added_, .5)));
  }
  std::filesystem::remove_all(path);
  return 0;
}

}  // namespace
}  // namespace baton

int main() { return baton::run(); }
