// What R18's back-off, maximum term and controls change in the long run: hours of three replicas,
// means over seeds, with and without. BATON_FIGURES=N takes N seeds (default 4).
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "simulation/story.h"

namespace baton::simulation {
namespace {

constexpr int kReplicas = 3;
constexpr Time kWarm = 60s;
constexpr Time kLength = 1h;

struct Figures {
  double changes = 0;                     // of the leader, an hour
  std::array<double, kReplicas> share{};  // of the time with a leader
  double leaderless_s = 0;                // an hour
  double requests = 0;                    // an hour of all, in an outage as if it lasted one
};

/// What befalls a story, from kWarm on.
using Befalls = std::function<void(Story&)>;

Figures measure(std::uint64_t seed, const Story::Set& set, const Befalls& befalls) {
  Story story(std::vector<election::Timings>(kReplicas, balanced()), seed, set);
  story.run_for(kWarm);
  befalls(story);
  Figures figures;
  const int terms = story.invariants.terms();
  double led = 0;
  double looks = 0;
  long requests = 0;
  Duration down{0};
  const auto sent = [&] {
    return story.counts.writes["list"] + story.acquisitions() + story.counts.writes["renew"];
  };
  for (const Time end = story.world.now() + kLength; story.world.now() < end;) {
    const bool is_down = story.server.down();
    const long before = sent();
    story.run_for(100ms);
    requests += is_down ? sent() - before : 0;
    down += is_down ? 100ms : 0ms;
    ++looks;
    for (std::size_t slot = 0; slot < kReplicas; ++slot) {
      figures.share[slot] += story.replica(static_cast<int>(slot)).believes() ? 1 : 0;
    }
  }
  for (double& share : figures.share) led += share;
  for (double& share : figures.share) share /= std::max(led, 1.0);
  figures.changes = story.invariants.terms() - terms;
  figures.leaderless_s = (looks - led) / 10;
  figures.requests = down > 0s ? static_cast<double>(requests) / seconds(down) : 0;
  for (const Violation& violation : story.invariants.violations()) {
    ADD_FAILURE() << "seed " << seed << " I" << violation.invariant << ": " << violation.what;
  }
  return figures;
}

Figures print(const char* what, const Story::Set& set, const Befalls& befalls) {
  const char* text = std::getenv("BATON_FIGURES");
  const int seeds = text == nullptr ? 4 : std::atoi(text);
  Figures mean;
  for (int seed = 1; seed <= seeds; ++seed) {
    const Figures one = measure(static_cast<std::uint64_t>(seed), set, befalls);
    mean.changes += one.changes / seeds;
    mean.leaderless_s += one.leaderless_s / seeds;
    mean.requests += one.requests / seeds;
    for (std::size_t slot = 0; slot < kReplicas; ++slot)
      mean.share[slot] += one.share[slot] / seeds;
  }
  char line[200];
  std::snprintf(line, sizeof line, "%-58s %8.1f  %3.0f %3.0f %3.0f %%  %9.1f  %10.2f\n", what,
                mean.changes, 100 * mean.share[0], 100 * mean.share[1], 100 * mean.share[2],
                mean.leaderless_s, mean.requests);
  std::cout << line;
  return mean;
}

// Only a candidate that expects others lets them go first.
void without_back_off(int, election::Options& options) { options.replicas = 1; }
void as_it_is(int, election::Options&) {}
void with_max_term(int, election::Options& options) { options.max_term = 10min; }

void nothing(Story&) {}

/// While it leads, replica 0 is stopped once a minute right after a renewal, for a little longer
/// than its deadline: it is back before anybody else may take the Lease.
void stalls(Story& story) {
  Replica& stalled = story.replica(0);
  if (stalled.believes()) {
    const Sidecar& sidecar = *stalled.sidecar();
    const Instant renewed = sidecar.status().deadline - story.timings.renew_deadline;
    story.world.at(
        renewed.time_since_epoch() - sidecar.clock_offset() + story.timings.renew_period + 100ms,
        [&story, &stalled] {
          stalled.stop_sidecar(story.world.now() + story.timings.renew_deadline + 300ms);
        });
  }
  story.world.after(1min, [&story] { stalls(story); });
}

/// Everybody loses the API server for a minute, four times an hour.
void outages(Story& story) {
  story.server.go_down_until(story.world.now() + 60s);
  story.world.after(15min, [&story] { outages(story); });
}

/// Somebody asks for another leader every five minutes, and the work ends when it is told to.
void asks(Story& story, const char* key, const std::function<std::string(Replica&)>& value) {
  story.world.after(5min, [&story, key, value] {
    Replica* leader = story.leader();
    if (leader != nullptr) story.annotate(key, value(*leader));
    asks(story, key, value);
  });
}

std::string token_of(Replica& leader) { return std::to_string(leader.sidecar()->status().token); }

TEST(FiguresTest, OfTheLongRun) {
  std::cout << "three replicas, profile balanced, an hour: changes of the leader; share of each; "
               "seconds without a leader; requests a second in an outage\n";
  const Figures quiet = print("nothing happens", as_it_is, nothing);
  const Figures turns = print("nothing happens, max-term 10m", with_max_term, nothing);
  const Figures flaps = print("the leader stalls, without back-off", without_back_off, stalls);
  const Figures backs_off = print("the leader stalls", as_it_is, stalls);
  const Figures outage =
      print("four outages of a minute, without back-off", without_back_off, outages);
  const Figures mended = print("four outages of a minute", as_it_is, outages);
  const Figures asked = print("baton/resign every 5 minutes", as_it_is, [](Story& story) {
    asks(story, election::annotation::kResign, token_of);
  });
  const Figures named =
      print("baton/hand-over-to replica 2 every 5 minutes", as_it_is, [](Story& story) {
        asks(story, election::annotation::kHandOverTo, [&story](Replica& leader) {
          const std::string name = story.replica(2).sidecar()->name();
          return name.substr(0, name.find('_')) + "/" + token_of(leader);
        });
      });
  const Figures gone =
      print("baton/hand-over-to a dead Pod every 5 minutes", as_it_is, [](Story& story) {
        asks(story, election::annotation::kHandOverTo,
             [](Replica& leader) { return "gone/" + token_of(leader); });
      });

  EXPECT_EQ(quiet.changes, 0);
  EXPECT_NEAR(turns.changes, 6, 1.01);
  EXPECT_LT(*std::max_element(turns.share.begin(), turns.share.end()), 0.7) << "by turns";
  EXPECT_GT(flaps.changes, 5 * backs_off.changes);
  EXPECT_LT(backs_off.changes, 5);
  EXPECT_LT(backs_off.share[0], flaps.share[0]);
  EXPECT_LT(backs_off.leaderless_s, flaps.leaderless_s);
  EXPECT_NEAR(mended.leaderless_s, outage.leaderless_s, 10)
      << "an outage costs no more than before";
  EXPECT_LE(mended.requests, outage.requests * 1.1);
  EXPECT_NEAR(asked.changes, 12, 1.01);
  EXPECT_GT(named.share[2], 0.9);
  EXPECT_NEAR(gone.changes, 12, 1.01);
}

}  // namespace
}  // namespace baton::simulation
