// R2, R8, R9, R10: when a candidate believes, and which answers count.
#include <gtest/gtest.h>

#include "election/record.h"
#include "unit/election/driver.h"

namespace baton::election::testing {
namespace {

// A world with a Lease that its holder released properly, so that nobody has to wait.
class Released : public ::testing::Test {
 protected:
  Released() {
    Lease lease;
    lease.duration_s = 1;
    lease.transitions = 7;
    lease.annotations = {{annotation::kTerm, "old"},
                         {annotation::kReleased, "old/7"},
                         {annotation::kHolder, "gone"},
                         {annotation::kDuration, "15"},
                         {annotation::kFencingToken, "400"}};
    world.store.create(lease);
  }
  Runner& leader() {
    Runner& runner = world.add("a");
    EXPECT_TRUE(world.run_until_true([&] { return runner.leads(); }));
    return runner;
  }
  // Its acquisition is applied and the event lost; the reply takes 800 ms.
  Runner& acquires_without_hearing_of_it() {
    Runner& a = world.add("a");
    a.fate = [](const LeaseWrite* write) {
      const bool is_acquisition = write != nullptr && write->kind == WriteKind::acquire;
      return is_acquisition ? slow(milliseconds(800)) : served();
    };
    a.is_cut_off = true;  // its own event only
    EXPECT_TRUE(world.run_until_true([&] { return a.written.size() == 1; }));
    a.is_cut_off = false;
    return a;
  }
  World world;
};

using R2 = Released;
using R7Advance = Released;
using R8 = Released;
using R9 = Released;
using R10 = Released;

Fate writes_are(const LeaseWrite* write, WriteKind kind, Fate fate) {
  return write != nullptr && write->kind == kind ? fate : served();
}

// "The holder believes only in [reply, t_send + V)"
TEST_F(R2, BeliefIsCountedFromSendingNotFromTheReply) {
  Runner& a = world.add("a");
  a.is_cut_off = true;  // else the watch's event is the first to show the write
  a.fate = [](const LeaseWrite* write) {
    return writes_are(write, WriteKind::acquire, slow(milliseconds(1500)));
  };
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }));
  EXPECT_EQ(world.now, a.written_at.at(0) + milliseconds(1500));
  EXPECT_EQ(a.status().deadline, a.written_at.at(0) + seconds(12));
}

TEST_F(R2, ARenewalIsCountedFromSendingNotFromTheReply) {
  Runner& a = leader();
  a.fate = [](const LeaseWrite*) { return slow(milliseconds(1900)); };
  const Instant before = a.status().deadline;
  ASSERT_TRUE(world.run_until_true([&] { return a.status().deadline != before; }));
  EXPECT_EQ(a.status().deadline, a.written_at.at(1) + seconds(12));
  EXPECT_EQ(world.now, a.written_at.at(1) + kOneWay) << "the watch's event is a read-back (R10)";
}

// "only in [reply, ...": no belief while the write is under way.
TEST_F(R2, NoBeliefBeforeTheReply) {
  Runner& a = world.add("a");
  a.is_cut_off = true;
  a.fate = [](const LeaseWrite* write) {
    return writes_are(write, WriteKind::acquire, slow(milliseconds(1500)));
  };
  world.run_for(milliseconds(1400));
  EXPECT_EQ(a.writes(WriteKind::acquire).size(), 1U);
  EXPECT_FALSE(a.status().believes);
  EXPECT_EQ(a.status().state, State::acquiring);
}

// "Nothing stores 'I am leader'": the deadline ends belief, also before any step runs again.
TEST_F(R2, BeliefEndsAtTheDeadline) {
  Runner& a = leader();
  a.fate = [](const LeaseWrite*) { return lost(false); };
  a.is_cut_off = true;
  const Instant deadline = a.written_at.at(0) + seconds(12);
  world.run_until(deadline - Duration(1));
  EXPECT_TRUE(a.leads());
  EXPECT_EQ(a.status().state, State::uncertain);
  world.run_until(deadline);
  EXPECT_FALSE(a.status().believes);
  EXPECT_FALSE(a.leads());
}

// "A reply begins ... a term only if the term had not lapsed when it came"
TEST_F(R2, AReplyAfterTheTermLapsedBeginsNothing) {
  Runner& a = world.add("a");
  a.is_cut_off = true;
  a.fate = [](const LeaseWrite* write) {
    return writes_are(write, WriteKind::acquire, slow(seconds(12)));  // the process was stopped
  };
  world.run_for(seconds(12) + 2 * kOneWay);
  EXPECT_TRUE(a.notices(NoticeKind::gained).empty());
  EXPECT_FALSE(a.status().believes);
}

TEST_F(R2, AReplyAfterTheTermLapsedExtendsNothing) {
  Runner& a = leader();
  a.is_cut_off = true;
  bool first = true;
  a.fate = [&](const LeaseWrite* write) {
    if (write == nullptr || !first) return served();
    first = false;
    return slow(seconds(8));
  };
  const std::string term = a.status().term_id;
  const Instant deadline = a.status().deadline;
  ASSERT_TRUE(world.run_until_true([&] { return a.writes(WriteKind::renew).size() == 1; }));
  world.run_until(deadline);
  EXPECT_FALSE(a.status().believes);
  world.run_for(seconds(3));
  ASSERT_TRUE(a.leads());
  EXPECT_NE(a.status().term_id, term) << "a lapsed term is dead for ever (R8)";
}

TEST_F(R2, ALateReplyDoesNotReviveATermThatLapsedWhileDraining) {
  Runner& a = leader();
  world.run_for(seconds(1));
  a.is_cut_off = true;
  a.asks = false;
  a.handed_out = world.now + seconds(60);  // so that it is not released in between
  a.fate = [](const LeaseWrite*) { return slow(milliseconds(11500)); };
  const Instant deadline = a.status().deadline;
  a.feed(Resign{});
  ASSERT_TRUE(world.run_until_true([&] { return a.writes(WriteKind::renew).size() == 1; }));
  const Instant replied = a.written_at.back() + milliseconds(11500);
  ASSERT_GT(replied, deadline);
  world.run_until(replied);
  EXPECT_EQ(a.status().deadline, deadline);
  EXPECT_FALSE(a.has(NoticeKind::extended));
}

// "... and no newer version in memory contradicts it; otherwise that term id is dead"
TEST_F(R2, ANewerVersionContradictsALateReply) {
  Runner& a = acquires_without_hearing_of_it();
  world.store.hold_as_foreign("intruder", 15);
  world.run_for(seconds(2));
  EXPECT_TRUE(a.notices(NoticeKind::gained).empty());
  EXPECT_EQ(a.status().leader.identity, "intruder");
  EXPECT_EQ(a.status().state, State::following);
}

// Found by the simulation, seed 60169: lower than sent, though not than seen (R14 ends that).
TEST_F(R2, ANewerVersionWithALowerTokenContradictsALateReply) {
  Runner& a = acquires_without_hearing_of_it();
  world.store.edit([](Lease& lease) { lease.annotations[annotation::kFencingToken] = "401"; });
  world.run_for(seconds(2));
  EXPECT_TRUE(a.notices(NoticeKind::gained).empty());
  EXPECT_FALSE(a.status().believes);
}

// "Every acquisition ... is a new term with a new term id and a new token."
TEST_F(R8, EveryAcquisitionHasItsOwnTermIdAndAHigherToken) {
  Runner& a = leader();
  const std::string term = a.status().term_id;
  const Token token = a.status().token;
  a.fate = [](const LeaseWrite*) { return lost(false); };
  a.is_cut_off = true;
  ASSERT_TRUE(world.run_until_true([&] { return !a.leads(); }));
  a.fate = [](const LeaseWrite*) { return served(); };
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }));
  EXPECT_NE(a.status().term_id, term);
  EXPECT_GT(a.status().token, token);
}

TEST_F(R8, ARefusedAttemptsTermIdIsNeverUsedAgain) {
  Runner& a = world.add("a");
  int tries = 0;
  a.fate = [&](const LeaseWrite* write) {
    return write != nullptr && ++tries <= 3 ? failed(FailureKind::unavailable) : served();
  };
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }));
  const auto attempts = a.writes(WriteKind::acquire);
  ASSERT_EQ(attempts.size(), 4U);
  for (std::size_t i = 1; i < attempts.size(); ++i) {
    EXPECT_NE(attempts[i].annotations.at(annotation::kTerm),
              attempts[i - 1].annotations.at(annotation::kTerm));
  }
}

// "carries a fresh baton/attempt (so it always differs: a byte-identical PUT is a silent no-op)"
TEST_F(R9, ARenewalKeepsTermAndTokenAndHasAFreshAttempt) {
  Runner& a = leader();
  world.store.edit([](Lease& lease) { lease.annotations["baton/of-tomorrow"] = "kept"; });
  ASSERT_TRUE(world.run_until_true([&] { return a.writes(WriteKind::renew).size() == 2; }));
  const auto acquired = a.writes(WriteKind::acquire).at(0);
  const auto first = a.writes(WriteKind::renew).at(0);
  const auto second = a.writes(WriteKind::renew).at(1);
  for (const char* key : {annotation::kTerm, annotation::kFencingToken, annotation::kHolder,
                          annotation::kDuration, annotation::kFormat}) {
    EXPECT_EQ(first.annotations.at(key), acquired.annotations.at(key)) << key;
  }
  EXPECT_NE(first.annotations.at(annotation::kAttempt),
            acquired.annotations.at(annotation::kAttempt));
  EXPECT_NE(first.annotations.at(annotation::kAttempt),
            second.annotations.at(annotation::kAttempt));
  EXPECT_EQ(first.annotations.at("baton/of-tomorrow"), "kept");
  EXPECT_EQ(first.duration_s, 15);
  EXPECT_EQ(first.transitions, acquired.transitions);
  EXPECT_EQ(acquired.annotations.count(annotation::kReleased), 0U);
}

// "It counts only if the reply shows uid, holder, term id, token and attempt as sent and a new
// resourceVersion."
class R9Reply : public Released, public ::testing::WithParamInterface<int> {};
TEST_P(R9Reply, CountsOnlyIfItShowsWhatWasSent) {
  Election election(options_of("a"), kStart);
  Step step = election.step(Tick{}, kStart, kLongAgo);
  step =
      election.step(Listed{find<SendList>(step)->id, world.store.revision(), world.store.lease()},
                    kStart, kLongAgo);
  const SendWrite* put = find<SendWrite>(step);
  ASSERT_NE(put, nullptr);
  Lease reply = put->write.base;
  reply.holder = put->write.holder;
  reply.annotations = put->write.annotations;
  reply.transitions = put->write.transitions;
  reply.duration_s = put->write.duration_s;
  reply.spec = "as written";
  reply.version = world.store.revision() + 1;
  switch (GetParam()) {
    case 0: break;
    case 1: reply.uid = "another"; break;
    case 2: reply.holder = "another"; break;
    case 3: reply.annotations[annotation::kTerm] = "another"; break;
    case 4:
      reply.annotations[annotation::kFencingToken] = "999999";  // above, so that R14 is silent
      break;
    case 5: reply.annotations[annotation::kAttempt] = "another"; break;
    case 6: reply.version = put->write.base.version; break;
    case 7: reply.version = {}; break;
    default: FAIL();
  }
  step = election.step(Written{put->id, reply}, kStart + milliseconds(10), kLongAgo);
  EXPECT_EQ(election.status().believes, GetParam() == 0);
  if (GetParam() == 0) return;
  EXPECT_EQ(find<SendWrite>(step), nullptr) << "no hot loop";
}
INSTANTIATE_TEST_SUITE_P(EveryField, R9Reply, ::testing::Range(0, 8));

// "A write that timed out, was cut or answered 409/5xx is unknown, not failed: read back by LIST."
TEST_F(R10, ALostReplyIsReadBackAndCountsFromItsSending) {
  Runner& a = world.add("a");
  a.is_cut_off = true;
  a.fate = [](const LeaseWrite* write) {
    return writes_are(write, WriteKind::acquire, lost(true));
  };
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }));
  EXPECT_EQ(a.writes(WriteKind::acquire).size(), 1U);
  EXPECT_EQ(a.status().deadline, a.written_at.at(0) + seconds(12));
}

// "shows own term id, token and attempt": an own record of an earlier attempt counts as nothing.
TEST_F(R10, ARenewalThatWasNotAppliedIsNotTakenForApplied) {
  Runner& a = leader();
  a.is_cut_off = true;
  bool first = true;
  a.fate = [&](const LeaseWrite* write) {
    if (write == nullptr || !first) return served();
    first = false;
    return lost(false);
  };
  const Instant before = a.status().deadline;
  ASSERT_TRUE(world.run_until_true([&] { return a.lists == 2; }));
  world.run_for(2 * kOneWay - Duration(1));
  EXPECT_EQ(a.status().deadline, before);
  EXPECT_EQ(a.status().state, State::uncertain);
  world.run_for(Duration(1));  // the read-back answers: the PUT follows at once (R15)
  EXPECT_EQ(a.writes(WriteKind::renew).size(), 2U);
  EXPECT_EQ(a.written_at.back(), world.now);
  world.run_for(2 * kOneWay);
  EXPECT_EQ(a.status().deadline, a.written_at.back() + seconds(12));
}

// "409: LIST at once; 5xx or time-out: retry delay first."
TEST_F(R10, AConflictIsReadBackAtOnceAndAnErrorAfterTheRetryDelay) {
  for (const FailureKind kind : {FailureKind::conflict, FailureKind::unavailable}) {
    Runner& a = world.add(kind == FailureKind::conflict ? "conflict" : "unavailable");
    Instant failed_at = kLongAgo;
    a.fate = [&](const LeaseWrite* write) {
      if (write == nullptr || failed_at != kLongAgo) return served();
      failed_at = world.now + 2 * kOneWay;
      return failed(kind);
    };
    ASSERT_TRUE(world.run_until_true([&] { return a.lists == 2; }));
    if (kind == FailureKind::conflict) {
      EXPECT_EQ(world.now, failed_at);
    } else {
      EXPECT_GE(world.now, failed_at + milliseconds(250));
      EXPECT_LE(world.now, failed_at + milliseconds(450));
    }
    world.kill(a);
  }
}

// "acquire afresh, at once where no validity handed out is outstanding ..., else wait"
TEST_F(R10, AnOwnUnresolvedAttemptIsAcquiredAfreshAtOnceIfNothingWasHandedOut) {
  Runner& a = world.add("a");
  a.is_cut_off = true;
  a.fate = [&](const LeaseWrite* write) {
    if (a.written.size() > 1) return served();
    return write == nullptr ? served() : slow(seconds(13));
  };
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }));
  const auto attempts = a.writes(WriteKind::acquire);
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[1].base.holder, "a");
  EXPECT_NE(attempts[0].annotations.at(annotation::kTerm),
            attempts[1].annotations.at(annotation::kTerm));
  EXPECT_LT(world.now - kStart, seconds(14)) << "its own record is not waited out";
}

TEST_F(R10, AnOwnLapsedTermIsAcquiredAfreshOnlyAfterWhatWasHandedOut) {
  Runner& a = leader();
  const Instant handed_out = a.handed_out;
  a.feed(AdvanceToken{a.status().token + 10});
  EXPECT_FALSE(a.status().believes);
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }));
  EXPECT_GE(a.written_at.back(), handed_out);
  EXPECT_LT(a.written_at.back(), handed_out + milliseconds(100));
}

TEST_F(R10, AnOwnLapsedTermIsWaitedOutWithALockDelay) {
  Options options = options_of("a");
  options.lock_delay = seconds(4);
  Runner& a = world.add(options);
  a.asks = false;
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }));
  world.run_for(seconds(1));
  a.feed(AdvanceToken{1});
  const Instant received = a.written_at.at(0) + kOneWay;
  ASSERT_TRUE(world.run_until_true([&] { return a.leads(); }));
  EXPECT_GE(a.written_at.back(), received + seconds(15 + 4));
}

TEST_F(R7Advance, TokenGivesATokenOfAtLeastThat) {
  Runner& a = leader();
  a.asks = false;
  a.handed_out = kLongAgo;
  const Token wanted = a.status().token + 1'000'000;
  a.feed(AdvanceToken{wanted});
  EXPECT_FALSE(a.status().believes);
  EXPECT_EQ(find<SendWrite>(a.last), nullptr) << "answered 'no' before anything is written";
  EXPECT_EQ(a.last.wake_at, world.now);
}

}  // namespace
}  // namespace baton::election::testing
