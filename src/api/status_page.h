// The status page (docs/status-page.md): the answer of GET /leader in a file of a memory-backed
// volume, which an application maps and reads without a system call. Layout version 1.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/descriptor.h"
#include "base/result.h"
#include "election/status.h"

namespace baton::api {

/// What the sequence protects. Texts end with zeros.
struct PageBody {
  std::int64_t deadline_ns = 0;       // on CLOCK_BOOTTIME; 0: no
  std::uint64_t token = 0;            // 0 unless there is a deadline
  std::uint64_t state = 0;            // election::State's number
  std::uint64_t run = 0, change = 0;  // the document's revision begins with RUN-CHANGE
  char boot_id[40] = {};
  char term_id[64] = {};
  std::uint64_t crc32 = 0;  // of what stands before it, as zlib's; for readers without barriers
};

/// The file. All integers are little-endian. Magic, version and sequence stay where they are in
/// every version.
struct Page {
  static constexpr std::uint64_t kMagic = 0x4741504e4f544142;  // "BATONPAG"
  static constexpr std::uint64_t kVersion = 1;
  static constexpr std::size_t kSize = 4096;

  std::atomic<std::uint64_t> magic, version;
  std::atomic<std::uint64_t> sequence;  // odd: being written; 0: never was
  std::array<std::atomic<std::uint64_t>, sizeof(PageBody) / 8> body;
};

static_assert(std::endian::native == std::endian::little);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(offsetof(Page, version) == 8 && offsetof(Page, sequence) == 16);
static_assert(offsetof(Page, body) == 24 && sizeof(Page) == 176);
static_assert(offsetof(PageBody, token) == 8 && offsetof(PageBody, state) == 16);
static_assert(offsetof(PageBody, run) == 24 && offsetof(PageBody, change) == 32);
static_assert(offsetof(PageBody, boot_id) == 40 && offsetof(PageBody, term_id) == 80);
static_assert(offsetof(PageBody, crc32) == 144 && sizeof(PageBody) == 152);

/// The only writer of a page. One thread at a time.
class StatusPage {
 public:
  /// Opens or makes the file, keeps other writers from it, and writes "no". `run` is drawn at the
  /// process's start. The error is one line that begins with the path.
  static Result<std::unique_ptr<StatusPage>> open(const std::string& path, std::uint64_t run);
  /// Writes "no".
  ~StatusPage();
  StatusPage(const StatusPage&) = delete;
  StatusPage& operator=(const StatusPage&) = delete;

  /// `change` counts what was published, as StatusView has it. A few dozen stores; no system call.
  void write(const election::Status& status, std::uint64_t change);

 private:
  StatusPage(Descriptor file, Page* page, std::uint64_t run, const std::string& boot_id);

  const Descriptor file_;  // holds the lock
  Page* const page_;
  PageBody body_;  // as it was written last
};

}  // namespace baton::api
