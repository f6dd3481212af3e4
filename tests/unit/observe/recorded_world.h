// One candidate in logical time whose every step is recorded in a file.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "observe/codec.h"
#include "observe/recording.h"
#include "support/text.h"
#include "unit/election/driver.h"

namespace baton::observe::testing {

using election::testing::Runner;
using std::chrono::milliseconds;
using std::chrono::seconds;

using test::text_of;

inline void write_all(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// A path that nothing stands at.
inline std::string fresh_path(const std::string& name) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "baton-recordings";
  std::filesystem::create_directories(folder);
  const std::string path = folder / (name + "-" + std::to_string(::getpid()));
  std::filesystem::remove_all(path);
  std::filesystem::remove_all(path + ".1");
  return path;
}

class RecordedWorld {
 public:
  explicit RecordedWorld(const std::string& path, const std::string& identity = "a",
                         std::size_t limit = kRecordingLimit)
      : runner(world.add(identity)), election_(runner.options, election::testing::kStart) {
    const RecordingHead head{.election = "worker", .namespace_name = "team", .identity = identity};
    auto created = RecordingFile::create(path, head, election_, limit);
    EXPECT_TRUE(created.ok()) << created.error();
    file_ = std::move(created).value();
    world.store.create(election::testing::released_lease(41));
    world.observer = [this](Runner&, const election::Event& event, const election::Step&) {
      record(event);
    };
  }

  /// Steps are not recorded while this is on; a checkpoint follows.
  void skip(bool skips) {
    skips_ = skips;
    if (skips) return;
    EXPECT_EQ(file_->add(Checkpoint{election_, missed_}), "");
    missed_ = 0;
  }

  election::testing::World world;
  Runner& runner;

 private:
  void record(const election::Event& event) {
    const election::Step step = election_.step(event, world.now, handed_out_);
    if (skips_) {
      ++missed_;
    } else {
      const std::uint64_t answer = digest(step, election_.status());
      EXPECT_EQ(file_->add(RecordedStep{event, world.now, handed_out_, answer}), "");
      if (file_->is_full()) {
        EXPECT_EQ(file_->add(Checkpoint{election_}), "");
      }
    }
    handed_out_ = runner.handed_out;
  }

  election::Election election_;  // makes the same steps as the runner's
  std::unique_ptr<RecordingFile> file_;
  election::Instant handed_out_ = election::kLongAgo;
  bool skips_ = false;
  std::int64_t missed_ = 0;
};

}  // namespace baton::observe::testing
