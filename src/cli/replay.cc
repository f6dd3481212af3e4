// `baton replay`: recordings in words, or drawn on one time axis.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <variant>

#include "base/text.h"
#include "cli/commands.h"
#include "observe/narrative.h"
#include "observe/recording.h"
#include "observe/timeline.h"

namespace baton::cli {
namespace {

using observe::Checkpoint;
using observe::RecordedStep;
using observe::Recording;

std::string stamp(Duration length) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%10.3f ", std::chrono::duration<double>(length).count());
  return text.data();
}

Instant end_of(const Recording& recording) {
  for (auto entry = recording.entries.rbegin(); entry != recording.entries.rend(); ++entry) {
    if (const auto* step = std::get_if<RecordedStep>(&entry->content)) return step->now;
  }
  return recording.head.at;
}

std::string title_of(const observe::RecordingHead& head) {
  return printable("election " + head.election + " in " + head.namespace_name, 600);
}

const char* how_it_ends(bool has_exited) {
  return has_exited ? "the process ended in an orderly way"
                    : "the recording ends here: the process was killed, or the file was copied "
                      "while it ran";
}

std::string gap(const Checkpoint& checkpoint) {
  return std::to_string(checkpoint.missed) + " steps were not recorded, the disk was too slow";
}

/// "" or why the replay ended.
std::string tell(const Recording& recording, Duration last, std::ostream& out) {
  const auto& head = recording.head;
  out << printable(head.identity, 300) << ", " << title_of(head) << ", baton "
      << printable(head.version) << "\n"
      << stamp({}) << "is " << printable(head.wall) << " by the wall clock, "
      << head.at.time_since_epoch().count() << " ns on CLOCK_BOOTTIME\n";
  const Instant from = end_of(recording) - last;
  observe::Narrator narrator;
  bool has_exited = false;
  std::string why =
      observe::replay(recording, [&](const auto& entry, const auto& step, const auto& status) {
        const auto* given = std::get_if<RecordedStep>(&entry.content);
        if (given == nullptr) {
          const auto& checkpoint = std::get<Checkpoint>(entry.content);
          if (checkpoint.missed > 0) out << "note: " << gap(checkpoint) << "\n";
          return;
        }
        has_exited = status.state == election::State::stopped && status.reason.empty();
        const auto lines = narrator.tell(given->event, step, status);
        if (given->now < from) return;
        const std::string time = stamp(given->now - head.at);
        out << time << "> " << printable(observe::describe(given->event), 1000) << "\n";
        for (const std::string& line : lines) out << time << "  " << printable(line, 1000) << "\n";
      });
  if (why.empty()) out << "note: " << how_it_ends(has_exited) << "\n";
  return why;
}

/// Brings each host's clock onto the first one's.
class Aligner {
 public:
  Duration shift(const observe::RecordingHead& head, std::vector<std::string>& notes) {
    if (!first_) first_ = head;
    if (!head.boot_id.empty() && head.boot_id == first_->boot_id) return Duration(0);
    const std::string note =
        printable(head.identity, 300) +
        " ran on another host (or before a reboot): aligned by the wall clocks, which may differ; "
        "trust no order across hosts that is closer than that";
    if (std::ranges::find(notes, note) == notes.end()) notes.push_back(note);
    return offset(head) - offset(*first_);
  }

 private:
  /// Of the wall clock from CLOCK_BOOTTIME.
  static Duration offset(const observe::RecordingHead& head) {
    return Duration(observe::wall_ns(head.wall)) - head.at.time_since_epoch();
  }

  std::optional<observe::RecordingHead> first_;
};

/// Adds the recording to the lane of its process. "" or why the replay ended.
std::string trace(const Recording& recording, Duration shift, observe::Timeline& timeline) {
  observe::LaneTracer tracer(recording.head.identity, [shift](Instant at) { return at + shift; });
  std::string why =
      observe::replay(recording, [&](const auto& entry, const auto& step, const auto& status) {
        if (const auto* given = std::get_if<RecordedStep>(&entry.content)) {
          tracer.step(given->event, given->now, step, status);
        } else if (const auto& checkpoint = std::get<Checkpoint>(entry.content);
                   checkpoint.missed > 0) {
          tracer.gap(gap(checkpoint));
        }
      });
  observe::Lane lane = tracer.finish();
  const auto same = std::ranges::find(timeline.lanes, lane.name, &observe::Lane::name);
  if (same == timeline.lanes.end()) {
    timeline.lanes.push_back(std::move(lane));
  } else {
    std::ranges::move(lane.bars, std::back_inserter(same->bars));
    std::ranges::move(lane.marks, std::back_inserter(same->marks));
  }
  return why;
}

std::string write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return file ? "" : "\"" + printable(path) + "\": " + std::strerror(errno);
}

int draw(const Call& call, const std::vector<Recording>& recordings, Duration last) {
  observe::Timeline timeline{title_of(recordings[0].head), {}, {}};
  Aligner aligner;
  Instant end = kLongAgo;
  for (const Recording& recording : recordings) {
    const Duration shift = aligner.shift(recording.head, timeline.notes);
    end = std::max(end, end_of(recording) + shift);
    const std::string why = trace(recording, shift, timeline);
    if (!why.empty()) return call.fail(kFailed, recording.path + ": " + why);
  }
  observe::cut(timeline, end - last);
  for (const std::string& note : timeline.notes) call.shell.out << "note: " << note << "\n";
  const std::string error = write_file(call.arguments.get("--svg"), observe::to_svg(timeline));
  if (error.empty()) return kOk;
  return call.fail(kUsage, "--svg: " + error + "; name a file in a folder that can be written");
}

int tell_all(const Call& call, const std::vector<Recording>& recordings, Duration last) {
  for (const Recording& recording : recordings) {
    const std::string why = tell(recording, last, call.shell.out);
    if (!why.empty()) return call.fail(kFailed, recording.path + ": " + why);
  }
  return kOk;
}

}  // namespace

int run_replay(const Call& call) {
  const auto& paths = call.arguments.words();
  if (paths.empty()) return call.fail(kUsage, "needs a FILE that baton run --record has written");
  const auto last = call.arguments.duration("--last", std::chrono::hours(24 * 3650));
  if (!last.ok()) return call.fail(kUsage, last.error());
  std::vector<Recording> recordings;
  for (const std::string& path : paths) {
    auto recording = observe::read_recording(path);
    if (!recording.ok()) return call.fail(kUsage, recording.error());
    recordings.push_back(std::move(recording).value());
  }
  int code = call.arguments.has("--svg") ? draw(call, recordings, *last)
                                         : tell_all(call, recordings, *last);
  for (const Recording& recording : recordings) {
    if (code == kFailed || !recording.is_torn) continue;
    code = call.fail(kUsage, recording.path +
                                 ": ends in the middle of a line, and was replayed up to there; "
                                 "copy it anew from where it was recorded");
  }
  return code;
}

}  // namespace baton::cli
