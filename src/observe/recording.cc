#include "observe/recording.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/text.h"
#include "observe/codec.h"

namespace baton::observe {
namespace {

using Json = nlohmann::ordered_json;

/// Changes whenever an older baton could not read the file, or would read it otherwise.
constexpr int kFormat = 6;
constexpr std::string_view kBeginning = R"({"baton_recording":)";
/// How each line ends: with its checksum, 16 hexadecimal digits.
constexpr std::string_view kSum = R"(,"sum":")";
constexpr std::string_view kEnd = R"("})";
constexpr const char* kHandedOut = "handed_out";
constexpr std::size_t kTail = kSum.size() + 16 + kEnd.size();

std::string hex(std::uint64_t number) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(number));
  return text.data();
}

std::string reason() { return std::strerror(errno); }

std::string boot_id() {
  const auto text = read_file("/proc/sys/kernel/random/boot_id");
  return text.ok() ? std::string(trim(*text)) : "";
}

/// "" if a new file may take the place of what stands at `path`, which becomes path.1.
std::string make_way(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? "" : reason() + "; name a file in a folder that can be written";
  }
  if (!S_ISREG(info.st_mode)) return "is no regular file; name one that baton may create";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> old(std::fopen(path.c_str(), "re"),
                                                            &std::fclose);
  if (!old) return reason();
  std::string beginning(kBeginning.size(), '\0');
  beginning.resize(std::fread(beginning.data(), 1, beginning.size(), old.get()));
  if (!kBeginning.starts_with(beginning)) {
    return "holds something else than a recording, which baton does not move; name another file";
  }
  if (::flock(::fileno(old.get()), LOCK_EX | LOCK_NB) != 0) {
    return "is being written by another baton; name another file";
  }
  return std::rename(path.c_str(), (path + ".1").c_str()) == 0
             ? ""
             : reason() + "; it stands in the way and cannot be renamed";
}

}  // namespace

// Writing.

Result<std::unique_ptr<RecordingFile>> RecordingFile::create(std::string path, RecordingHead head,
                                                             const election::Election& start,
                                                             std::size_t limit) {
  head.version = BATON_VERSION;
  head.boot_id = boot_id();
  std::unique_ptr<RecordingFile> file(new RecordingFile(std::move(path), std::move(head), limit));
  std::string error = file->begin();
  if (error.empty()) error = file->add(Checkpoint{start});
  if (!error.empty()) return Error{error};
  return file;
}

std::string RecordingFile::begin() {
  file_.reset();
  bytes_ = 0;
  if (const std::string why = make_way(path_); !why.empty()) {
    return "\"" + printable(path_) + "\": " + why;
  }
  file_.reset(std::fopen(path_.c_str(), "wxe"));
  if (!file_) {
    return "\"" + printable(path_) + "\": " + reason() +
           "; name a file in a folder that exists and can be written";
  }
  ::flock(::fileno(file_.get()), LOCK_EX | LOCK_NB);
  checksum_ = checksum("");
  return put({{kBeginning.substr(2, kBeginning.size() - 4), kFormat},
              {"version", head_.version},
              {"election", head_.election},
              {"namespace", head_.namespace_name},
              {"identity", head_.identity},
              {"boot", head_.boot_id},
              {"wall", wall_now_micro()},
              {"boottime_ns", boot_now().time_since_epoch().count()}});
}

std::string RecordingFile::put(const Json& line) {
  if (!file_) return "";
  std::string text = line.dump();
  text.pop_back();  // the brace
  checksum_ = checksum(text, checksum_);
  text.append(kSum).append(hex(checksum_)).append(kEnd).append("\n");
  const bool is_written = std::fwrite(text.data(), 1, text.size(), file_.get()) == text.size() &&
                          std::fflush(file_.get()) == 0;
  bytes_ += text.size();
  if (is_written) return "";
  const std::string why = reason();
  file_.reset();
  bytes_ = 0;
  return "\"" + printable(path_) + "\": " + why;
}

std::string RecordingFile::add(const RecordedStep& step) {
  return put({{"step", ++steps_},
              {"now", step.now.time_since_epoch().count()},
              {kHandedOut, step.handed_out.time_since_epoch().count()},
              {"event", to_json(step.event)},
              {"answer", hex(step.digest)}});
}

std::string RecordingFile::add(const Checkpoint& checkpoint) {
  if (!file_) return "";
  if (is_full()) {
    if (std::string error = begin(); !error.empty()) return error;
  }
  return put({{"checkpoint", to_json(checkpoint.election)}, {"missed", checkpoint.missed}});
}

// Reading.

namespace {

/// No host is up that long: nine years. What is computed of such times stays in range.
constexpr std::int64_t kLatest = std::int64_t{1} << 58;

Instant instant_at(const Json& line, std::string_view key) {
  const Json& ns = line.at(std::string(key));
  if (ns == kLongAgo.time_since_epoch().count() && key == kHandedOut) return kLongAgo;
  return Instant(Duration(whole_number(ns, 0, kLatest)));
}

std::uint64_t number_of(std::string_view digits) {
  std::uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return number;
}

class Reader {
 public:
  Reader(std::string path, std::string_view text) : path_(std::move(path)), rest_(text) {}

  Result<Recording> read() {
    if (rest_.empty()) return Error{path_ + ": is empty: nothing was recorded"};
    if (!rest_.starts_with(kBeginning)) {
      return Error{path_ +
                   ": is no recording of baton; name a file that `baton run --record` wrote"};
    }
    const std::string_view format =
        rest_.substr(kBeginning.size(), rest_.find(',') - kBeginning.size());
    if (format != std::to_string(kFormat)) {
      return Error{path_ + ": line 1: has format " + printable(format, 20) +
                   ", and this baton (" BATON_VERSION ") reads format " + std::to_string(kFormat) +
                   "; replay it with the baton that wrote it"};
    }
    Recording recording;
    recording.path = path_;
    while (!rest_.empty()) {
      ++line_;
      std::string why = take(recording);
      if (!why.empty()) return Error{path_ + ": line " + std::to_string(line_) + ": " + why};
    }
    if (recording.entries.empty()) {
      return Error{path_ + ": ends before the first checkpoint: nothing can be replayed"};
    }
    return recording;
  }

 private:
  static constexpr const char* kChanged =
      "is not as baton wrote it (its checksum differs): the file was changed or damaged; copy it "
      "anew from where it was recorded";

  /// "" or what is wrong.
  std::string take(Recording& recording) {
    const auto end = rest_.find('\n');
    const bool is_last = end == rest_.npos;
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(is_last ? rest_.size() : end + 1);
    const bool is_whole = has_sum(line);
    if (is_last && !is_whole) {
      // What was cut off can hold no whole line: more than a line is a line that was changed.
      for (std::size_t size = kTail; size < line.size(); ++size) {
        if (line.substr(0, size).ends_with(kEnd) && has_sum(line.substr(0, size))) return kChanged;
      }
      recording.is_torn = true;
      return "";
    }
    if (!is_whole) return kChanged;
    checksum_ = checksum(line.substr(0, line.size() - kTail), checksum_);
    try {
      interpret(Json::parse(line), recording);
    } catch (const std::exception& error) {
      return "is none of format " + std::to_string(kFormat) + " (" + printable(error.what()) +
             "); replay it with the baton that wrote it";
    }
    return "";
  }

  bool has_sum(std::string_view line) const {
    if (line.size() < kTail) return false;
    const std::string_view body = line.substr(0, line.size() - kTail);
    return line.substr(body.size()) ==
           std::string(kSum).append(hex(checksum(body, checksum_))).append(kEnd);
  }

  void interpret(const Json& line, Recording& recording) {
    if (line_ == 1) {
      interpret_head(line, recording.head);
    } else if (line.contains("checkpoint")) {
      recording.entries.push_back({line_, Checkpoint{election_of(line.at("checkpoint")),
                                                     whole_number(line.at("missed"), 0, kLatest)}});
    } else {
      if (recording.entries.empty()) throw std::invalid_argument("a step without a checkpoint");
      recording.entries.push_back(
          {line_, RecordedStep{event_of(line.at("event")), instant_at(line, "now"),
                               instant_at(line, kHandedOut),
                               number_of(line.at("answer").get<std::string>())}});
    }
  }

  void interpret_head(const Json& line, RecordingHead& head) {
    head.version = line.at("version").get<std::string>();
    head.election = line.at("election").get<std::string>();
    head.namespace_name = line.at("namespace").get<std::string>();
    head.identity = line.at("identity").get<std::string>();
    head.boot_id = line.at("boot").get<std::string>();
    head.wall = line.at("wall").get<std::string>();
    head.at = instant_at(line, "boottime_ns");
  }

  const std::string path_;
  std::string_view rest_;
  std::size_t line_ = 0;
  std::uint64_t checksum_ = checksum("");
};

}  // namespace

Result<Recording> read_recording(const std::string& path) {
  struct stat info {};
  std::size_t limit = 2 * kRecordingLimit;
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return Error{printable(path) + ": is a directory; name the file in it"};
  }
  // It may still be written to.
  if (S_ISREG(info.st_mode))
    limit = std::min(limit, static_cast<std::size_t>(info.st_size) + 65536);
  const auto text = read_file(path, limit);
  if (!text.ok()) return Error{printable(text.error())};
  return Reader(printable(path), *text).read();
}

std::string replay(const Recording& recording,
                   const std::function<void(const Recording::Entry&, const election::Step&,
                                            const election::Status&)>& saw) {
  std::optional<election::Election> election;
  for (const Recording::Entry& entry : recording.entries) {
    if (const auto* checkpoint = std::get_if<Checkpoint>(&entry.content)) {
      election.emplace(checkpoint->election);
      saw(entry, {}, election->status());
      continue;
    }
    const auto& given = std::get<RecordedStep>(entry.content);
    const election::Step step = election->step(given.event, given.now, given.handed_out);
    saw(entry, step, election->status());
    if (digest(step, election->status()) != given.digest) {
      return "replay differs at line " + std::to_string(entry.line) +
             ": it was recorded by baton " + printable(recording.head.version) +
             ", and this one (" BATON_VERSION ") decides otherwise";
    }
  }
  return "";
}

std::int64_t wall_ns(const std::string& micro_time) {
  tm utc{};
  const char* at = ::strptime(micro_time.c_str(), "%Y-%m-%dT%H:%M:%S.", &utc);
  if (at == nullptr) return 0;
  std::int64_t micro = 0;
  const char* end = micro_time.data() + micro_time.size();
  if (std::from_chars(at, end, micro).ptr != at + 6) return 0;
  const std::int64_t seconds = ::timegm(&utc);
  constexpr std::int64_t kLastSecond = 4'102'444'800;  // of the year 2099
  if (micro < 0 || seconds < 0 || seconds >= kLastSecond) return 0;
  return (seconds * 1'000'000 + micro) * 1000;
}

}  // namespace baton::observe
