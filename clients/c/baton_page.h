/* baton's status page for C and C++: does this Pod lead, without a system call? Copy this header;
 * it needs C11 or C++17, GCC or Clang, and Linux on a little-endian machine. docs/status-page.md
 * has the layout and the protocol.
 *
 *   static struct baton_page page = BATON_PAGE("/run/baton-status/page");
 *
 *   struct baton_leadership term;
 *   while (baton_leads(&page, &term)) write_with(term.token, term.remaining_ns);
 *
 * or, in C++:
 *
 *   static baton::StatusPage page("/run/baton-status/page");
 *   while (auto term = page.leadership()) write_with(term->token, term->remaining_ns);
 *
 * Promised: never a yes after the deadline of the page, on CLOCK_BOOTTIME read last; never a
 * mixture of two writes; no file, a short one, another boot's, a later version's, one that a dead
 * sidecar has left half written: no. Any thread may ask. The page is opened at the first call that
 * finds it.
 *
 * Not promised: that nothing happens between the answer and what you do. Send the token with each
 * effect, and bound each by remaining_ns. */
#ifndef BATON_PAGE_H
#define BATON_PAGE_H

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the status page is little-endian"
#endif

struct baton_page {
  const char* path;
  const uint64_t* words; /* null until it is open */
  int turn;              /* who opens it */
  uint64_t boot_id[5];   /* this boot's text; zeros behind it */
};
#define BATON_PAGE(path) \
  {                      \
    (path), 0, 0, { 0 }  \
  }

/* What one write of the sidecar said, and how long it surely holds. */
struct baton_leadership {
  int64_t deadline_ns; /* on CLOCK_BOOTTIME */
  uint64_t token;
  uint64_t state; /* 3 warming, 4 leading, 5 uncertain */
  uint64_t run, change;
  char boot_id[40];
  char term_id[64]; /* ends with a zero */
  int64_t remaining_ns;
};

#define BATON_PAGE_MAGIC UINT64_C(0x4741504e4f544142) /* "BATONPAG" */
#define BATON_PAGE_VERSION UINT64_C(1)
enum {
  BATON_PAGE_SIZE = 4096,
  BATON_PAGE_WORDS = 18,       /* of the body, without its sum */
  BATON_PAGE_QUICK_TRIES = 64, /* a write takes less than a microsecond */
  BATON_PAGE_TRIES = 1000      /* the others let the writer have the processor */
};

/* 1 once the page is mapped. */
static inline int baton_page_open(struct baton_page* page) {
  int free_turn = 0, taken = 0;
  if (!__atomic_compare_exchange_n(&page->turn, &free_turn, 1, 0, __ATOMIC_ACQUIRE,
                                   __ATOMIC_RELAXED))
    return 0; /* another thread is at it */
  const int boot = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  const int file = open(page->path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  void* memory = MAP_FAILED;
  /* The writer takes the memory of all 4096 bytes and never gives any back: no SIGBUS. */
  if (boot >= 0 && file >= 0 && read(boot, page->boot_id, 36) == 36 && fstat(file, &status) == 0 &&
      S_ISREG(status.st_mode) && status.st_size >= BATON_PAGE_SIZE)
    memory = mmap(0, BATON_PAGE_SIZE, PROT_READ, MAP_SHARED, file, 0);
  if (boot >= 0) close(boot);
  if (file >= 0) close(file);
  if (memory != MAP_FAILED) {
    __atomic_store_n(&page->words, (const uint64_t*)memory, __ATOMIC_RELEASE);
    taken = 1; /* for good */
  }
  __atomic_store_n(&page->turn, taken, __ATOMIC_RELEASE);
  return taken;
}

/* Copies one whole write of this boot into `found`. 0 if there was none to be had. */
static inline int baton_page_copy(const struct baton_page* page, const uint64_t* words,
                                  struct baton_leadership* found) {
  for (int tries = 0; tries < BATON_PAGE_TRIES; ++tries) {
    const uint64_t sequence = __atomic_load_n(&words[2], __ATOMIC_ACQUIRE);
    if (sequence == 0) return 0;
    if (sequence % 2 == 0) {
      uint64_t wrong = __atomic_load_n(&words[0], __ATOMIC_ACQUIRE) ^ BATON_PAGE_MAGIC;
      wrong |= __atomic_load_n(&words[1], __ATOMIC_ACQUIRE) ^ BATON_PAGE_VERSION;
      for (int i = 0; i < BATON_PAGE_WORDS; ++i) {
        const uint64_t word = __atomic_load_n(&words[3 + i], __ATOMIC_ACQUIRE);
        if (i >= 5 && i < 10) wrong |= word ^ page->boot_id[i - 5];
        memcpy((char*)found + sizeof word * (size_t)i, &word, sizeof word);
      }
      if (sequence == __atomic_load_n(&words[2], __ATOMIC_ACQUIRE)) return wrong == 0;
    }
    if (tries >= BATON_PAGE_QUICK_TRIES) sched_yield();
  }
  return 0;
}

/* 1 if this Pod leads at this moment; else 0, and `found` holds nothing of use. */
static inline int baton_leads(struct baton_page* page, struct baton_leadership* found) {
  const uint64_t* words = __atomic_load_n(&page->words, __ATOMIC_ACQUIRE);
  if (words == 0) {
    if (!baton_page_open(page)) return 0;
    words = page->words;
  }
  if (!baton_page_copy(page, words, found)) return 0;
  struct timespec now;
  if (clock_gettime(CLOCK_BOOTTIME, &now) != 0) return 0;
  const int64_t now_ns = (int64_t)now.tv_sec * INT64_C(1000000000) + (int64_t)now.tv_nsec;
  if (now_ns >= found->deadline_ns) return 0; /* also without a yes: it is 0 then */
  found->remaining_ns = found->deadline_ns - now_ns;
  found->term_id[sizeof found->term_id - 1] = 0;
  return 1;
}

#ifdef __cplusplus
#include <optional>
#include <string>
#include <utility>

namespace baton {

using Leadership = baton_leadership;

/// Any thread may ask; the page stays mapped until the object goes.
class StatusPage {
 public:
  explicit StatusPage(std::string path) : path_(std::move(path)), page_ BATON_PAGE(path_.c_str()) {}
  ~StatusPage() {
    if (page_.words != nullptr) munmap(const_cast<std::uint64_t*>(page_.words), BATON_PAGE_SIZE);
  }
  StatusPage(const StatusPage&) = delete;
  StatusPage& operator=(const StatusPage&) = delete;

  /// Nothing: this Pod does not lead.
  std::optional<Leadership> leadership() {
    std::optional<Leadership> found(std::in_place);
    if (!baton_leads(&page_, &*found)) found.reset();
    return found;
  }

 private:
  const std::string path_;
  baton_page page_;
};

}  // namespace baton
#endif

#endif
