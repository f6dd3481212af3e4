// Design section 5 (d): "SIGTERM to a native sidecar whose own Pod carries a deletionTimestamp more
// than 1.5 s in the future by the server's Date, and deletionTimestamp - deletionGracePeriodSeconds
// precedes the SIGTERM".
#include "runtime/termination.h"

#include <gtest/gtest.h>

namespace baton::runtime {
namespace {

using config::Sidecar;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Deletion asked for at second 100 with 30 s of grace, read at `date_s`.
kube::OwnPod deleted_pod(std::int64_t date_s) { return {"uid", 130, 30, date_s}; }

TEST(Section5d, ANativeSidecarWithTimeLeftHasProof) {
  EXPECT_EQ(judge_termination(Sidecar::native, deleted_pod(105), milliseconds(20)),
            TerminationProof::work_has_ended);
}

TEST(Section5d, AnOrdinarySidecarNeverHas) {
  EXPECT_EQ(judge_termination(Sidecar::ordinary, deleted_pod(105), milliseconds(20)),
            TerminationProof::none);
}

TEST(Section5d, AtTheEndOfTheGracePeriodTheMainContainerMayStillWork) {
  EXPECT_EQ(judge_termination(Sidecar::native, deleted_pod(128), milliseconds(20)),
            TerminationProof::work_has_ended);
  for (const std::int64_t date_s : {129, 130, 131}) {
    EXPECT_EQ(judge_termination(Sidecar::native, deleted_pod(date_s), milliseconds(20)),
              TerminationProof::none);
  }
}

TEST(Section5d, ADeletionThatDidNotSurelyPrecedeTheSigtermProvesNothing) {
  // Only this container was stopped, in second 100; the Pod was deleted in the same second.
  EXPECT_EQ(judge_termination(Sidecar::native, deleted_pod(100), milliseconds(20)),
            TerminationProof::open);
  // Read three seconds later, the SIGTERM still came no later than second 100.
  EXPECT_EQ(judge_termination(Sidecar::native, deleted_pod(103), seconds(3)),
            TerminationProof::open);
  // Stopped at 100.6, deleted at 100.8, read at 101.1.
  EXPECT_EQ(judge_termination(Sidecar::native, deleted_pod(101), milliseconds(500)),
            TerminationProof::open);
}

TEST(Section5d, ASecondReadingTellsWhatWholeSecondsLeftOpen) {
  // SIGTERM at 101.7. At 101.71 it may have come at 100.99, before a deletion at 100.999.
  EXPECT_EQ(judge_termination(Sidecar::native, deleted_pod(101), milliseconds(10)),
            TerminationProof::open);
  EXPECT_EQ(judge_termination(Sidecar::native, deleted_pod(102), milliseconds(310)),
            TerminationProof::work_has_ended);
}

TEST(Section5d, WithoutDeletionTimestampOnlyTheContainerIsReplaced) {
  EXPECT_EQ(judge_termination(Sidecar::native, {"uid", {}, 0, 105}, milliseconds(20)),
            TerminationProof::only_container_replaced);
  EXPECT_EQ(judge_termination(Sidecar::ordinary, {"uid", {}, 0, 105}, milliseconds(20)),
            TerminationProof::only_container_replaced);
}

}  // namespace
}  // namespace baton::runtime
