// The status page (docs/status-page.md): its bytes, its writer's promises, and what the reader for
// C and C++ makes of every page that a sidecar, dead or alive, may leave.
#include "api/status_page.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/crc.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "../clients/c/baton_page.h"
#include "api/status_board.h"
#include "support/process.h"

namespace baton::api {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

/// A page on a memory-backed volume.
class Memory : public testing::Test {
 protected:
  std::unique_ptr<StatusPage> open() {
    auto page = StatusPage::open(path_, 77);
    if (!page.ok()) throw std::runtime_error(page.error());
    return std::move(page).value();
  }
  std::string bytes() const {
    std::ostringstream text;
    text << std::ifstream(path_, std::ios::binary).rdbuf();
    return std::move(text).str();
  }
  void put(std::size_t offset, const std::string& text) const {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset)) << text;
  }
  std::uint64_t sequence() const {
    std::uint64_t number = 0;
    std::memcpy(&number, bytes().data() + offsetof(Page, sequence), sizeof number);
    return number;
  }
  const std::uint64_t* writers_mapping() const {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      if (!line.ends_with(path_) || line.find(" rw-s ") == std::string::npos) continue;
      return reinterpret_cast<const std::uint64_t*>(std::stoull(line, nullptr, 16));
    }
    return nullptr;
  }
  bool leads() const { return baton::StatusPage(path_).leadership().has_value(); }

  const std::string folder_ = test::make_folder_in_memory("page");
  const std::string path_ = folder_ + "/status";
};
using StatusPageFile = Memory;
using StatusPageReader = Memory;
using StatusPageBoard = Memory;

election::Status leading(Instant deadline, election::Token token = 9) {
  election::Status status;
  status.state = election::State::leading;
  status.believes = true;
  status.deadline = deadline;
  status.token = token;
  status.term_id = "term-" + std::to_string(token);
  return status;
}

Instant far() { return Instant(hours(24 * 365 * 30)); }

/// Of tests/clients/page/golden: OFFSET, then bytes, then what they are.
std::string golden() {
  std::ifstream file(BATON_SOURCE_FOLDER "/tests/clients/page/golden");
  std::string bytes(Page::kSize, '\0');
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line.substr(0, line.find("  ")));
    std::size_t offset = 0;
    words >> offset >> std::hex;
    for (int byte = 0; words >> byte;) bytes.at(offset++) = static_cast<char>(byte);
  }
  return bytes;
}

TEST_F(StatusPageFile, HasTheBytesOfTheGoldenPage) {
  const auto page = open();
  election::Status status =
      leading(Instant(Duration(1'000'000'000'000'000'000)), 1'234'567'890'123);
  status.term_id = "0123456789abcdef0123456789abcdef";
  page->write(status, 5);
  std::string found = bytes();
  // The boot id is this machine's, and so is the sum over it.
  std::string boot_id = found.substr(64, 36);
  std::string own;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> own;
  EXPECT_EQ(boot_id, own);
  const auto sum_of = [](const std::string& of) {
    boost::crc_32_type sum;
    sum.process_bytes(of.data() + 24, 144);
    return sum.checksum();
  };
  std::uint64_t sum = 0;
  std::memcpy(&sum, found.data() + 168, sizeof sum);
  EXPECT_EQ(sum, sum_of(found));
  found.replace(64, 36, golden().substr(64, 36));
  const std::uint64_t new_sum = sum_of(found);
  found.replace(168, 8, reinterpret_cast<const char*>(&new_sum), 8);
  EXPECT_EQ(found.substr(0, sizeof(Page)), golden().substr(0, sizeof(Page)));
  EXPECT_TRUE(found == golden()) << "the rest is not zero";
}

TEST_F(StatusPageFile, SaysNoFirstAndLast) {
  auto page = open();
  page->write(leading(far()), 1);
  ASSERT_TRUE(leads());
  page.reset();
  EXPECT_FALSE(leads());
  EXPECT_EQ(bytes()[40], 10) << "stopped";
  open()->write(leading(far()), 1);
  put(24, std::string(7, '\x7f'));  // as a sidecar leaves it that was killed
  page = open();
  EXPECT_FALSE(leads());
  EXPECT_EQ(bytes().substr(24, 8), std::string(8, '\0'));
}

// The mapping of a reader outlives the writer: the file is never replaced and never cut.
TEST_F(StatusPageFile, StaysTheSameFileAndItsSequenceGoesOn) {
  open().reset();
  const std::uint64_t before = sequence();
  baton::StatusPage reader(path_);
  EXPECT_FALSE(reader.leadership());
  put(Page::kSize, "behind it");
  const auto page = open();
  EXPECT_EQ(sequence(), before + 2);
  page->write(leading(far()), 1);
  ASSERT_TRUE(reader.leadership());
  EXPECT_EQ(reader.leadership()->token, 9U);
  EXPECT_EQ(bytes().substr(Page::kSize), "behind it");
}

TEST_F(StatusPageFile, RecoversAnOddSequence) {
  open().reset();
  put(16, std::string("\x07\0\0\0\0\0\0\0", 8));
  const auto page = open();
  EXPECT_EQ(sequence(), 8U);
  page->write(leading(far()), 1);
  EXPECT_EQ(sequence(), 10U);
  EXPECT_TRUE(leads());
}

TEST_F(StatusPageFile, IsReadableByAllWritableByItsOwnerAndWhole) {
  const mode_t mask = ::umask(0077);
  std::ofstream(path_) << "short";
  const auto page = open();
  ::umask(mask);
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0644U);
  EXPECT_EQ(status.st_size, static_cast<off_t>(Page::kSize));
}

void expect_refused(const std::string& path, const std::string& why) {
  const auto page = StatusPage::open(path, 1);
  ASSERT_FALSE(page.ok()) << path;
  EXPECT_TRUE(page.error().starts_with("\"" + path + "\": ")) << page.error();
  EXPECT_NE(page.error().find(why), std::string::npos) << page.error();
  EXPECT_EQ(page.error().find('\n'), std::string::npos);
}

TEST_F(StatusPageFile, IsRefusedWhereItCannotBe) {
  expect_refused(folder_ + "/none/status", "name a file in a volume that is mounted here");
  expect_refused(folder_, "name a file");
  fs::create_symlink(path_, folder_ + "/link");
  expect_refused(folder_ + "/link", "name a file");
  const auto first = open();
  expect_refused(path_, "in use by another process");
  EXPECT_FALSE(fs::is_symlink(path_));
  const std::string on_disk = BATON_SOURCE_FOLDER "/build/status-page-" + std::to_string(getpid());
  fs::create_directories(BATON_SOURCE_FOLDER "/build");
  expect_refused(on_disk, "is not on a memory-backed volume");
  fs::remove(on_disk);
}

TEST_F(StatusPageReader, ReadsWhatWasWritten) {
  const auto page = open();
  baton::StatusPage reader(path_);
  page->write(leading(far(), 42), 5);
  const auto term = reader.leadership();
  ASSERT_TRUE(term);
  EXPECT_EQ(term->token, 42U);
  EXPECT_STREQ(term->term_id, "term-42");
  EXPECT_EQ(term->state, 4U);
  EXPECT_EQ(term->run, 77U);
  EXPECT_EQ(term->change, 5U);
  EXPECT_EQ(Instant(Duration(term->deadline_ns)), far());
  EXPECT_LE(boot_now() + Duration(term->remaining_ns), far() + std::chrono::minutes(1));
  EXPECT_GT(term->remaining_ns, 0);
}

TEST_F(StatusPageReader, SaysNoFromTheDeadlineOn) {
  const auto page = open();
  page->write(leading(boot_now()), 1);
  EXPECT_FALSE(leads());
  page->write(leading(Instant(Duration(1))), 2);
  EXPECT_FALSE(leads());
}

TEST_F(StatusPageReader, SaysNoToAPageThatIsMissingOrShortUntilThereIsOne) {
  baton::StatusPage reader(path_);
  EXPECT_FALSE(reader.leadership());
  std::ofstream(path_) << std::string(Page::kSize - 1, 'x');
  EXPECT_FALSE(reader.leadership());
  const auto page = open();
  page->write(leading(far()), 1);
  EXPECT_TRUE(reader.leadership());
}

// Each is a page that says yes, but for one thing.
TEST_F(StatusPageReader, SaysNoToWhatIsNotForIt) {
  const std::pair<std::size_t, std::string> changes[] = {
      {0, "OTHERPAG"},                               // not a status page
      {8, std::string("\x02", 1)},                   // a later version
      {16, std::string("\x05", 1)},                  // left half written
      {16, std::string(8, '\0')},                    // never written
      {64, "00000000-0000-4000-8000-000000000000"},  // of an earlier boot
      {24, std::string(8, '\0')},                    // no deadline
  };
  for (const auto& [offset, text] : changes) {
    {
      const auto page = open();
      page->write(leading(far()), 1);
      ASSERT_TRUE(leads());
      put(offset, text);
      EXPECT_FALSE(leads()) << "at " << offset;
    }
  }
}

TEST_F(StatusPageReader, NoReadIsTorn) {
  const auto page = open();
  page->write(leading(far(), 1), 1);
  // One for all threads, opened by any of them; and one through the writer's own mapping, so that
  // ThreadSanitizer sees both sides.
  baton::StatusPage opened(path_);
  baton_page same BATON_PAGE(path_.c_str());
  ASSERT_TRUE(baton_page_open(&same));
  same.words = writers_mapping();
  ASSERT_NE(same.words, nullptr);
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0}, reads{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&, i] {
      std::uint64_t last = 0;
      while (!stop) {
        std::optional<baton::Leadership> term;
        if (i == 0) {
          term = opened.leadership();
        } else if (baton::Leadership found; baton_leads(&same, &found)) {
          term = found;
        }
        if (!term) continue;  // another thread opens it, or the writer has lost its processor
        const auto token = static_cast<election::Token>(term->token);
        const bool is_whole = term->change == term->token &&
                              leading(far(), token).term_id == term->term_id &&
                              Instant(Duration(term->deadline_ns)) == far() + Duration(token - 1);
        if (!is_whole || term->token < last) ++torn;
        last = term->token;
        ++reads;
      }
    });
  }
  for (election::Token n = 2; n <= 20'000 || reads < 1000; ++n) {
    page->write(leading(far() + Duration(n - 1), n), static_cast<std::uint64_t>(n));
  }
  stop = true;
  for (std::thread& one : readers) one.join();
  EXPECT_EQ(torn, 0) << "of " << reads;
}

// Section 5 (e): nobody knows who has read the page.
TEST_F(StatusPageBoard, WhatThePageShowsIsHandedOut) {
  StatusBoard board;
  board.show_on(open());
  EXPECT_EQ(board.handed_out(), kLongAgo);
  board.publish(leading(far()));
  EXPECT_EQ(board.handed_out(), far());
  EXPECT_TRUE(leads());
  const std::uint64_t before = board.answers();
  board.publish(election::Status{});
  EXPECT_FALSE(leads());
  EXPECT_EQ(board.answers(), before + 1) << "until its no, the page has answered";
  board.publish(election::Status{});
  EXPECT_EQ(board.answers(), before + 1);
}

// "No" is on the page before anyone is told of it, "yes" after.
TEST_F(StatusPageBoard, ThePageIsNeverMoreOptimisticThanTheAnswers) {
  StatusBoard board;
  board.show_on(open());
  baton::StatusPage reader(path_);
  std::atomic<bool> stop{false};
  std::atomic<int> early{0}, late{0}, yes{0}, no{0};
  std::thread asks([&] {
    while (!stop) {
      const StatusView before = board.read();
      const auto term = reader.leadership();
      const StatusView after = board.read();
      if (term && after.change < term->change) ++early;
      if (term && !before.status.believes && term->change < before.change) ++late;
      ++(term ? yes : no);
    }
  });
  for (election::Token n = 1; n <= 20'000 || yes < 100 || no < 100; ++n) {
    board.publish(leading(far(), n));
    board.publish(election::Status{});
  }
  stop = true;
  asks.join();
  EXPECT_EQ(early, 0);
  EXPECT_EQ(late, 0);
}

}  // namespace
}  // namespace baton::api
