#include "api/status_page.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <boost/crc.hpp>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "api/seqlock.h"
#include "base/failpoint.h"
#include "base/text.h"

namespace baton::api {
namespace {

// docs/status-page.md lists the numbers; a new state goes to the end.
static_assert(static_cast<int>(election::State::starting) == 0 &&
              static_cast<int>(election::State::warming) == 3 &&
              static_cast<int>(election::State::uncertain) == 5 &&
              static_cast<int>(election::State::stopped) == 10);

/// Cut so that a zero ends it: what is longer than any of ours names no term of ours.
template <std::size_t N>
void set_text(char (&field)[N], std::string_view text) {
  std::memset(field, 0, N);
  text.copy(field, N - 1);
}

std::string os_error() { return std::strerror(errno); }

/// "" or why the file can hold no page.
std::string check_and_extend(int file) {
  struct stat status {};
  struct statfs volume {};
  if (::fstat(file, &status) != 0 || ::fstatfs(file, &volume) != 0) return os_error();
  if (!S_ISREG(status.st_mode)) return "is no regular file; name one, or a new one";
  if (volume.f_type != TMPFS_MAGIC) {
    return "is not on a memory-backed volume, as it must be (tmpfs): a page written to disk would "
           "delay the election; mount an emptyDir with medium: Memory and name a file in it";
  }
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    return "is in use by another process; give each sidecar a file of its own";
  }
  if (::fchmod(file, 0644) != 0) return os_error();
  // Never shorter, and with its memory taken now: a reader or writer must meet no SIGBUS.
  errno = ::posix_fallocate(file, 0, Page::kSize);
  return errno == 0 ? "" : os_error();
}

}  // namespace

Result<std::unique_ptr<StatusPage>> StatusPage::open(const std::string& path, std::uint64_t run) {
  const auto refuse = [&](const std::string& why) { return Error{"\"" + path + "\": " + why}; };
  const auto boot_id = read_file("/proc/sys/kernel/random/boot_id");
  if (!boot_id.ok()) return refuse("belongs to a boot of the machine: " + boot_id.error());
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (file.get() < 0) return refuse(os_error() + "; name a file in a volume that is mounted here");
  const std::string why = check_and_extend(file.get());
  if (!why.empty()) return refuse(why);
  void* memory = ::mmap(nullptr, Page::kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return refuse(os_error());
  return std::unique_ptr<StatusPage>(new StatusPage(std::move(file), static_cast<Page*>(memory),
                                                    run, std::string(trim(*boot_id))));
}

StatusPage::StatusPage(Descriptor file, Page* page, std::uint64_t run, const std::string& boot_id)
    : file_(std::move(file)), page_(page) {
  body_.run = run;
  set_text(body_.boot_id, boot_id);
  write({}, 0);
}

StatusPage::~StatusPage() {
  election::Status stopped;
  stopped.state = election::State::stopped;
  write(stopped, body_.change);
  ::munmap(page_, Page::kSize);
}

void StatusPage::write(const election::Status& status, std::uint64_t change) {
  const bool believes = status.believes;
  body_.deadline_ns = believes ? status.deadline.time_since_epoch().count() : 0;
  body_.token = believes ? static_cast<std::uint64_t>(status.token) : 0;
  body_.state = static_cast<std::uint64_t>(status.state);
  body_.change = change;
  set_text(body_.term_id, status.term_id);
  boost::crc_32_type sum;
  sum.process_bytes(&body_, offsetof(PageBody, crc32));
  body_.crc32 = sum.checksum();
  const auto words = std::bit_cast<std::array<std::uint64_t, sizeof(PageBody) / 8>>(body_);

  const SeqlockWrite writing(page_->sequence);
  page_->magic.store(Page::kMagic, std::memory_order_release);
  page_->version.store(Page::kVersion, std::memory_order_release);
  for (std::size_t i = 0; i < words.size(); ++i) {
    // Behind the deadline, ahead of the term: the worst place to end.
    if (i == 1) failpoint(Failpoint::page_half_written);
    page_->body[i].store(words[i], std::memory_order_release);
  }
}

}  // namespace baton::api
