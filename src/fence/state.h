// What the gateway must not forget: the highest token of each scope that it may have let through.
//
// A text file that is only ever replaced as a whole, so that a crash leaves the old one or the new
// one, and whatever else is found is damage, which no start may take for a beginning at zero.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"

namespace baton::fence {

inline constexpr std::int64_t kLargestToken = 999'999'999'999'999'999;  // that an election gives

using Tokens = std::map<std::string, std::int64_t, std::less<>>;  // by scope

/// 1 to 253 printable ASCII characters without a blank or a comma.
bool is_scope(std::string_view text);

std::string encode(const Tokens& tokens);
/// An error says what is wrong with it, to follow the file's name.
Result<Tokens> decode(std::string_view text);

class StateFile {
 public:
  /// Takes the lock of the file for the life of this object. Missing, damaged, of a later version,
  /// without one of `scopes`, or used by another process: an error that names the file and the
  /// mend.
  static Result<std::unique_ptr<StateFile>> open(const std::string& path,
                                                 const std::vector<std::string>& scopes);
  /// Creates the file, or adds to it those of `scopes` that it has not, at `token`. It is an error
  /// if there are none to add. "" or why not.
  static std::string initialise(const std::string& path, const std::vector<std::string>& scopes,
                                std::int64_t token);

  Tokens tokens() const;
  /// Returns "" once `token`, or a higher one, is on the disk. Any thread; waits for the disk.
  std::string raise(const std::string& scope, std::int64_t token);

 private:
  explicit StateFile(std::string path) : path_(std::move(path)) {}
  static Result<std::unique_ptr<StateFile>> lock(const std::string& path);
  std::string load();
  std::string save();

  const std::string path_;
  Descriptor lock_, folder_;
  mutable std::mutex mutex_;  // protects what follows, and the file
  Tokens tokens_;
};

}  // namespace baton::fence
