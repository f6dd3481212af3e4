// What the leaders of a mixed election write to: a counter behind a fence, which takes nothing with
// a token lower than the highest it has seen, and its unfenced twin, which takes everything. Each
// application adds one to what it has read; a counter below the number of its acknowledged writes
// has lost updates. Keeps the history of the fenced one. Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace baton::test {

/// One operation on the lock or on the fenced counter, as e2e/go/lock-history reads it.
struct Operation {
  std::string client;
  std::string op;  // "acquire", "release", "expire", "seal", "read", "write"
  std::int64_t token = 0;
  std::int64_t value = 0;
  bool accepted = false;
  std::int64_t call_ns = 0, return_ns = 0;
};

class Store {
 public:
  struct Values {
    std::int64_t fenced = 0, twin = 0;
  };
  struct Counts {
    std::int64_t accepted = 0, refused = 0;  // writes of the fenced counter
    std::int64_t twin_writes = 0;            // all of them acknowledged
    std::int64_t highest_token = 0;
    Values values;
  };

  /// What a new leader does first, before it reads: from now on nothing older is taken. False if
  /// this token is itself too old.
  bool seal(const std::string& client, std::int64_t token);
  Values read(const std::string& client);
  /// False if the fenced counter refused; the twin never does.
  bool write(const std::string& client, std::int64_t token, Values values);

  Counts counts() const;
  std::vector<Operation> history() const;

 private:
  bool admit(std::int64_t token);

  mutable std::mutex mutex_;
  Counts counts_;
  std::vector<Operation> history_;
};

}  // namespace baton::test
