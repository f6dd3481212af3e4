// `baton check --measure`: writes to a Lease of its own at the pace of ten a second, as a leader
// writes to the election's, and times answers, watch events and this process's own pauses.
//
// The election's Lease is neither written nor read. A write of its own is the only honest one: a
// dry run stops before etcd, whose fsync is what renewals wait for, and shows on no watch.
#pragma once

#include <memory>
#include <string>

#include "cli/advice.h"
#include "kube/cluster.h"

namespace baton::cli {

/// The Lease that is written to instead of the election's: "<election>-measure". It is made where
/// it is missing and left there, since taking it away would need one more right.
std::string lease_to_measure(const std::string& election);

struct Measurement {
  Measured measured;
  election::Duration length{0};  // how long it took
  std::string failure;           // why it ended before its time, in one line; "" if nothing failed
  int signal = 0;                // SIGINT or SIGTERM if that ended it
};

/// Measures for `length`, and `patience` longer at most. The first request that fails, a watch that
/// ends, another writer of that Lease, SIGINT and SIGTERM each end it. A Lease that no measurement
/// has made is left alone. Returns with the signals' handlers as they were; one at a time.
Measurement measure(std::shared_ptr<kube::Credentials> credentials,
                    const std::string& namespace_name, const std::string& election,
                    election::Duration length, election::Duration patience);

}  // namespace baton::cli
