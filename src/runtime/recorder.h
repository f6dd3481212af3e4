// Feeds the flight recorder from the election's thread, which only copies what it was given and
// hands it over: writing is a thread of its own.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "election/election.h"
#include "observe/recording.h"
#include "runtime/worker.h"

namespace baton::runtime {

class Recorder {
 public:
  /// Begins the recording with `election`, which has made no step yet. The error is one line.
  static Result<std::unique_ptr<Recorder>> open(const std::string& path,
                                                observe::RecordingHead head,
                                                const election::Election& election);
  /// Waits a moment for what is queued.
  ~Recorder();

  /// After a step: what it was given, the digest of its answer, and the election as it is now.
  /// Election's thread; never blocks. What finds the queue full is not recorded, and a checkpoint
  /// follows the gap.
  void stepped(observe::RecordedStep step, const election::Election& election);

 private:
  explicit Recorder(std::unique_ptr<observe::RecordingFile> file) : file_(std::move(file)) {}
  void check(const std::string& error);

  const std::unique_ptr<observe::RecordingFile> file_;  // worker's thread, apart from is_full()
  std::int64_t missed_ = 0;                             // election's thread
  Worker worker_{"recorder"};                           // last: its thread ends first
};

}  // namespace baton::runtime
