#include "fence/state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/crc.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/failpoint.h"
#include "base/text.h"

namespace baton::fence {
namespace {

constexpr std::string_view kHead = "baton fence state, version ";
constexpr std::int64_t kVersion = 1;
constexpr std::size_t kMostScopeBytes = 253;
constexpr char kMend[] =
    "; if it has been in use, end every past leader and run once with --initialise=TOKEN, the "
    "token "
    "of the leader now (baton token)";

std::string checksum_line(std::string_view text) {
  boost::crc_32_type crc;
  crc.process_bytes(text.data(), text.size());
  std::array<char, 24> line{};
  std::snprintf(line.data(), line.size(), "crc32 %08x\n", crc.checksum());
  return line.data();
}

std::string failure(const std::string& doing, const std::string& path) {
  return doing + " " + path + ": " + std::strerror(errno);
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

bool is_scope(std::string_view text) {
  return !text.empty() && text.size() <= kMostScopeBytes &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F && c != ','; });
}

std::string encode(const Tokens& tokens) {
  std::string text = std::string(kHead) + std::to_string(kVersion) + "\n";
  for (const auto& [scope, token] : tokens) text += scope + " " + std::to_string(token) + "\n";
  return text + checksum_line(text);
}

Result<Tokens> decode(std::string_view text) {
  const auto damaged = [](const std::string& why) { return Error{"is damaged: " + why}; };
  const auto head_end = text.find('\n');
  if (!text.starts_with(kHead) || head_end == text.npos) {
    return damaged("it does not begin with \"" + std::string(kHead) + "N\"");
  }
  const auto version =
      parse_integer(text.substr(kHead.size(), head_end - kHead.size()), 1, kLargestToken);
  if (!version) return damaged("its version is no number");
  if (*version > kVersion) {
    return Error{"is of version " + std::to_string(*version) + ", later than the " +
                 std::to_string(kVersion) + " of this baton; start the one that wrote it"};
  }
  const auto last = text.rfind('\n', text.size() - 2) + 1;
  if (text.substr(last) != checksum_line(text.substr(0, last))) {
    return damaged("its last line is not the checksum of the others");
  }
  Tokens tokens;
  std::vector<std::string> lines = lines_of(text.substr(head_end + 1, last - head_end - 1));
  lines.pop_back();  // what follows the last newline: nothing
  for (const std::string& line : lines) {
    const auto blank = line.find(' ');
    const std::string scope = line.substr(0, blank);
    const auto token =
        blank == line.npos ? std::nullopt : parse_integer(line.substr(blank + 1), 0, kLargestToken);
    if (!is_scope(scope) || !token || !tokens.emplace(scope, *token).second) {
      return damaged("\"" + printable(line) + "\" is not a scope and its token");
    }
  }
  return tokens;
}

Result<std::unique_ptr<StateFile>> StateFile::lock(const std::string& path) {
  std::unique_ptr<StateFile> state(new StateFile(path));
  const std::string folder = std::filesystem::path(path).parent_path().string();
  state->folder_ =
      Descriptor(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!state->folder_.open()) return Error{failure("open the folder of", path)};
  // Of a file beside it, which is never replaced.
  state->lock_ = Descriptor(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!state->lock_.open()) return Error{failure("open the lock of", path)};
  if (::flock(state->lock_.get(), LOCK_EX | LOCK_NB) == 0) return state;
  if (errno != EWOULDBLOCK) return Error{failure("lock", path)};
  return Error{path +
               " is in use by another gateway; there is one for a scope: end that one first"};
}

std::string StateFile::load() {
  const auto text = read_file(path_);
  if (!text) return text.error();
  auto tokens = decode(*text);
  if (!tokens) {
    const bool is_damaged = tokens.error().starts_with("is damaged");
    return path_ + " " + tokens.error() + (is_damaged ? "; move it away" + std::string(kMend) : "");
  }
  tokens_ = std::move(tokens).value();
  return "";
}

Result<std::unique_ptr<StateFile>> StateFile::open(const std::string& path,
                                                   const std::vector<std::string>& scopes) {
  auto state = lock(path);
  if (!state) return state;
  if (::access(path.c_str(), F_OK) != 0) {
    return Error{failure("open", path) + "; if it is new, run once with --initialise" + kMend};
  }
  if (const std::string error = (*state)->load(); !error.empty()) return Error{error};
  for (const std::string& scope : scopes) {
    if (!(*state)->tokens_.contains(scope)) {
      return Error{path + " knows no scope " + scope +
                   "; if it is new, run once with --initialise" + kMend};
    }
  }
  return state;
}

std::string StateFile::initialise(const std::string& path, const std::vector<std::string>& scopes,
                                  std::int64_t token) {
  const auto state = lock(path);
  if (!state) return state.error();
  if (::access(path.c_str(), F_OK) == 0) {
    if (std::string error = (*state)->load(); !error.empty()) return error;
  }
  bool is_new = false;
  for (const std::string& scope : scopes) {
    is_new = (*state)->tokens_.emplace(scope, token).second || is_new;
  }
  if (!is_new) return path + " has a token of each of these scopes; start without --initialise";
  return (*state)->save();
}

Tokens StateFile::tokens() const {
  const std::lock_guard lock(mutex_);
  return tokens_;
}

std::string StateFile::raise(const std::string& scope, std::int64_t token) {
  const std::lock_guard lock(mutex_);
  std::int64_t& highest = tokens_[scope];
  // Written also if it is there already: the attempt before may have failed.
  highest = std::max(highest, token);
  return save();
}

std::string StateFile::save() {
  failpoint(Failpoint::fence_before_write);
  const std::string next = path_ + ".next";
  const Descriptor file(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.open()) return failure("open", next);
  if (!write_all(file.get(), encode(tokens_)) || ::fsync(file.get()) != 0) {
    return failure("write", next);
  }
  failpoint(Failpoint::fence_written);
  if (::rename(next.c_str(), path_.c_str()) != 0) return failure("rename " + next + " to", path_);
  failpoint(Failpoint::fence_renamed);
  if (::fsync(folder_.get()) != 0) return failure("write the folder of", path_);
  failpoint(Failpoint::fence_recorded);
  return "";
}

}  // namespace baton::fence
