// Three candidates in bad weather: losses, delays, kills, deletions and edits, and after each step
// the checks that never two believe and that tokens only rise.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

#include "election/record.h"
#include "unit/election/driver.h"

namespace baton::election::testing {

class Storm {
 public:
  /// `pick` draws a number in [0, its argument); `saw` is told of every step, after the checks.
  explicit Storm(std::function<std::uint64_t(std::uint64_t below)> pick,
                 std::function<void(Runner&, const Event&, const Step&)> saw = nullptr)
      : pick_(std::move(pick)) {
    world_.observer = [this, saw](Runner& runner, const Event& event, const Step& step) {
      check();
      if (saw) saw(runner, event, step);
    };
    for (int i = 0; i < 3; ++i) start(i);
  }

  Instant now() const { return world_.now; }

  void strike_and_wait() {
    strike();
    world_.run_for(milliseconds(pick(6000)));
  }
  void blow(Duration length) {
    const Instant end = world_.now + length;
    while (world_.now < end) strike_and_wait();
  }

  // I5: (D + 2h + 2R + w + L), here without drift; every process that was killed is back.
  void calm() {
    badness_ = 0;
    for (Runner*& runner : runners_) {
      if (runner == nullptr || runner->has_exited) continue;
      runner->fate = [](const LeaseWrite*) { return served(); };
      runner->is_cut_off = false;
      runner->feed(ApplicationHealth{true, ""});
    }
    for (int i = 0; i < 3; ++i) start(i);
    if (world_.store.lease()) {
      world_.store.edit([](Lease& lease) {
        lease.annotations.erase(annotation::kPauseUntil);
        lease.paused_until = kLongAgo;
      });
    }
    const Duration bound = seconds(15 + 10 + 4 + 15);
    EXPECT_TRUE(world_.run_until_true([&] { return leader() != nullptr; }, bound));
    world_.run_for(seconds(30));
    EXPECT_NE(leader(), nullptr);
  }

 private:
  std::uint64_t pick(std::uint64_t below) { return pick_(below); }

  void start(int index) {
    Runner*& runner = runners_[index];
    if (runner != nullptr && !runner->has_exited) return;
    const std::string pod = "pod" + std::to_string(index);
    Options options = options_of(pod + "_" + std::to_string(++started_));
    if (pick(2) == 0) options.incarnation = pod;
    runner = &world_.add(options);
    runner->fate = [this](const LeaseWrite*) { return fate(); };
  }

  Fate fate() {
    if (pick(100) >= badness_) return served();
    switch (pick(6)) {
      case 0: return lost(true);
      case 1: return lost(false);
      case 2: return slow(milliseconds(pick(2000)));
      case 3: return failed(FailureKind::unavailable);
      case 4: return failed(FailureKind::conflict);
      default: {
        Fate late = lost(true);
        late.applied_after = milliseconds(pick(20000));
        return late;
      }
    }
  }

  void strike() {
    badness_ = pick(3) * 40;
    world_.store.bump(static_cast<Revision>(pick(100)));  // others write to the store too
    Runner*& runner = runners_[pick(3)];
    if (runner == nullptr || runner->has_exited) return start(static_cast<int>(pick(3)));
    const auto& lease = world_.store.lease();
    switch (pick(17)) {
      case 0: return world_.break_watch(*runner);
      case 1: runner->is_cut_off = pick(2) == 0; return;
      case 2: return void(runner->feed(Resign{}));
      case 3: return void(runner->feed(WorkEnded{Proof::drained, ""}));
      case 4: return void(runner->feed(Announce{}));
      case 5: return void(runner->feed(Terminate{}));
      case 6: return void(runner->feed(ApplicationHealth{pick(2) == 0, "test"}));
      case 7: return void(runner->feed(AdvanceToken{1}));  // one above the revision: not covered
      case 8:
        // Its Pod is gone with it: what was handed out ends.
        world_.kill(*runner);
        runner = nullptr;
        return;
      case 9:
        if (lease) world_.store.remove();
        return;
      case 10:
        if (lease) world_.store.edit([](Lease& edited) { edited.holder = ""; });
        return;
      case 11:
        if (lease) world_.store.hold_as_foreign("client-go", 1 + static_cast<int>(pick(20)));
        return;
      case 12:
        if (lease) world_.store.edit([](Lease& edited) { edited.duration_s = 1; });
        return;
      case 13: return ask(annotation::kResign, asked_token());
      case 14:
        return ask(annotation::kHandOverTo, "pod" + std::to_string(pick(4)) + "/" + asked_token());
      case 15:
        ask(annotation::kPauseUntil, "then");
        if (lease) {
          const Instant end = pick(4) == 0 ? kNever : world_.now + milliseconds(pick(20000));
          world_.store.edit([&](Lease& edited) { edited.paused_until = end; });
        }
        return;
      default: return world_.bookmark();
    }
  }

  void ask(const char* key, const std::string& value) {
    if (!world_.store.lease()) return;
    world_.store.edit([&](Lease& lease) { lease.annotations[key] = value; });
  }
  std::string asked_token() { return std::to_string(highest_ + static_cast<Token>(pick(2))); }

  Runner* leader() {
    for (Runner* runner : runners_) {
      if (runner != nullptr && !runner->has_exited && runner->leads()) return runner;
    }
    return nullptr;
  }

  void check() {
    int leaders = 0;
    for (Runner* runner : runners_) {
      if (runner == nullptr || runner->has_exited || !runner->leads()) continue;
      ++leaders;
      const std::string& term = runner->status().term_id;
      if (tokens_.count(term) == 0) {
        EXPECT_GT(runner->status().token, highest_) << "I2";
        highest_ = runner->status().token;
        tokens_[term] = highest_;
      }
      EXPECT_EQ(tokens_[term], runner->status().token);
    }
    EXPECT_LE(leaders, 1) << "I1 at " << std::chrono::duration<double>(world_.now - kStart).count();
  }

  const std::function<std::uint64_t(std::uint64_t)> pick_;
  World world_;
  Runner* runners_[3] = {};
  int started_ = 0;
  std::uint64_t badness_ = 0;
  Token highest_ = 0;
  std::map<std::string, Token> tokens_;
};

}  // namespace baton::election::testing
