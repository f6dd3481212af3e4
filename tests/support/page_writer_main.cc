// Writes a status page over and over, for readers in other processes.
// usage: baton-page-writer PATH [--plain]   until its input ends
// --plain: without the protocol, so that readers have something to find.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <string>

#include "api/status_page.h"

namespace {

namespace api = baton::api;
namespace election = baton::election;

bool goes_on() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return ::poll(&input, 1, 0) == 0;
}

election::Status numbered(std::uint64_t n) {
  election::Status status;
  status.state = election::State::leading;
  status.believes = true;
  status.token = static_cast<election::Token>(n);
  status.term_id = "term-" + std::to_string(n);
  status.deadline = election::Instant(
      election::Duration(1'000'000'000'000'000'000 + static_cast<std::int64_t>(n)));
  return status;
}

/// The same body in the same words, but the sequence stays even.
void write_plainly(const char* path) {
  const int file = ::open(path, O_RDWR);
  auto* page = static_cast<api::Page*>(
      ::mmap(nullptr, api::Page::kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  for (std::uint64_t n = 1; goes_on();) {
    for (int i = 0; i < 1000; ++i, ++n) {
      const std::string term_id = "term-" + std::to_string(n);
      std::array<std::uint64_t, 8> text{};
      std::memcpy(text.data(), term_id.data(), term_id.size());
      page->body[0] = 1'000'000'000'000'000'000 + n;
      page->body[1] = page->body[4] = n;
      for (std::size_t word = 0; word < text.size(); ++word) page->body[10 + word] = text[word];
    }
  }
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) return 2;
  auto page = api::StatusPage::open(words[1], 1);
  if (!page.ok()) {
    std::fprintf(stderr, "%s\n", page.error().c_str());
    return 2;
  }
  (*page)->write(numbered(1), 1);
  std::puts("open");
  std::fflush(stdout);
  if (count == 3 && std::string(words[2]) == "--plain") {
    write_plainly(words[1]);
    return 0;
  }
  for (std::uint64_t n = 2; goes_on();) {
    for (int i = 0; i < 1000; ++i, ++n) (*page)->write(numbered(n), n);
  }
}
