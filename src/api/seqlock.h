// A value that one thread writes and any number read without a lock. A reader that met a write
// starts over, so its retries are bounded by the writer's progress; the writer never waits.
//
// The words are atomics, so a torn copy is thrown away but is never undefined behaviour, and the
// sanitizers see it so. store(), load() and version() take part in the one total order of seq_cst
// operations: who stores a flag (seq_cst), then finds version() unchanged, has the flag seen by
// every writer that stores later and then reads it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace baton::api {

template <typename T>
class Seqlock {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Seqlock() { store(T{}); }

  /// One thread only.
  void store(const T& value) {
    std::array<std::uint64_t, kWords> words{};
    std::memcpy(words.data(), &value, sizeof(T));
    const std::uint64_t before = version_.load(std::memory_order_relaxed);
    version_.store(before + 1);  // odd: being written
    // Release keeps each word behind the odd version: who reads the word, then reads that.
    for (std::size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_release);
    version_.store(before + 2);
  }

  /// Any thread. `version` is that of the value returned.
  T load(std::uint64_t& version) const {
    std::array<std::uint64_t, kWords> words;
    do {
      version = version_.load();
      for (std::size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_acquire);
    } while (version % 2 != 0 || version != version_.load());
    T value;
    std::memcpy(static_cast<void*>(&value), words.data(), sizeof(T));
    return value;
  }

  /// Any thread. Odd while a store is under way.
  std::uint64_t version() const { return version_.load(); }

 private:
  static constexpr std::size_t kWords = (sizeof(T) + 7) / 8;
  std::atomic<std::uint64_t> version_{0};
  std::array<std::atomic<std::uint64_t>, kWords> words_{};
};

}  // namespace baton::api
