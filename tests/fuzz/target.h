// A fuzz target is a function over bytes that ends the program when something is wrong. Under the
// preset `fuzz` (libFuzzer) each source is a program; otherwise all are linked into fuzz_test,
// which runs every file of the corpora.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baton::fuzz {

struct Target {
  std::string name;  // its corpus is tests/fuzz/corpus/<name>
  void (*run)(std::string_view input);
};

/// The targets of this program.
std::vector<Target>& targets();
bool add_target(const char* name, void (*run)(std::string_view input));

/// Ends the program with the sentence `what` unless it holds.
void require(bool holds, std::string_view what);
/// An error for people: one line of printable text that says something.
void require_one_line(const std::string& error);

/// The fuzzer's choices, byte by byte; zeros once they are used up.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  /// In [0, below); `below` is at most 2^32.
  std::uint64_t pick(std::uint64_t below);
  bool yes() { return pick(2) != 0; }
  /// Up to the next newline, which is dropped.
  std::string_view line();
  std::string_view rest() { return bytes_; }

 private:
  std::string_view bytes_;
};

}  // namespace baton::fuzz

#define BATON_FUZZ_TARGET(name)                                                                    \
  static void run_##name(std::string_view input);                                                  \
  [[maybe_unused]] static const bool is_added_##name = baton::fuzz::add_target(#name, run_##name); \
  static void run_##name(std::string_view input)
