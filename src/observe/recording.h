// The flight recorder's file: what an election was given, step by step, from a checkpoint of its
// state on. The core is a function of these, so the very same decisions come out again.
//
// Lines of JSON. The first says whose recording it is; a checkpoint follows, then a line a step.
// Each ends with a checksum over all bytes before it, so that nothing but the end can be missing.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "election/election.h"

namespace baton::observe {

/// All that FILE and FILE.1 take together, but for one line: hours of a leader.
inline constexpr std::size_t kRecordingLimit = std::size_t{16} << 20;

/// Whose recording, and how its times relate to others'.
struct RecordingHead {
  std::string election, namespace_name, identity;
  std::string version = {};  // of the baton that wrote it
  std::string boot_id = {};  // CLOCK_BOOTTIME is one clock for all of one boot of one host
  std::string wall = {};     // MicroTime of the wall clock, for people and to align hosts
  Instant at = {};           // at this instant
};

struct RecordedStep {
  election::Event event;
  Instant now, handed_out;   // as Election::step() takes them
  std::uint64_t digest = 0;  // of the answer
};

struct Checkpoint {
  election::Election election;
  std::int64_t missed = 0;  // steps before it that were not recorded
};

/// Writes FILE, which becomes FILE.1 when it has half of the limit. One thread, apart from
/// is_full(). Errors are one line; after one, nothing more is written.
class RecordingFile {
 public:
  /// A recording that stands at `path` becomes path.1; anything else there is an error. Only
  /// election, namespace_name and identity of `head` are looked at.
  static Result<std::unique_ptr<RecordingFile>> create(std::string path, RecordingHead head,
                                                       const election::Election& start,
                                                       std::size_t limit = kRecordingLimit);

  /// "" or why not.
  std::string add(const RecordedStep& step);
  /// The file is full: so it will be replaced with the next checkpoint.
  std::string add(const Checkpoint& checkpoint);
  bool is_full() const { return bytes_ >= limit_ / 2; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  RecordingFile(std::string path, RecordingHead head, std::size_t limit)
      : path_(std::move(path)), head_(std::move(head)), limit_(limit) {}
  std::string begin();
  std::string put(const nlohmann::ordered_json& line);

  const std::string path_;
  const RecordingHead head_;
  const std::size_t limit_;
  std::unique_ptr<std::FILE, Close> file_;  // null after an error
  std::uint64_t checksum_ = 0;
  std::atomic<std::size_t> bytes_ = 0;
  std::int64_t steps_ = 0;
};

struct Recording {
  struct Entry {
    std::size_t line;
    std::variant<Checkpoint, RecordedStep> content;
  };

  std::string path;  // printable
  RecordingHead head;
  std::vector<Entry> entries;  // the first is a checkpoint
  bool is_torn = false;        // the last line was not finished, and is left out
};

/// All of it, checked before any of it counts. The error names the file and the line.
Result<Recording> read_recording(const std::string& path);

/// Runs the recording through the core. `saw` is told of each entry and what came of it (of a
/// checkpoint: nothing, and its status). "" or why the replay ended: the core answers otherwise to
/// the last one told.
std::string replay(
    const Recording& recording,
    const std::function<void(const Recording::Entry& entry, const election::Step& step,
                             const election::Status& status)>& saw);

/// Nanoseconds since the Unix epoch of a MicroTime; 0 if it is none or not of the years 1970 to
/// 2099.
std::int64_t wall_ns(const std::string& micro_time);

}  // namespace baton::observe
