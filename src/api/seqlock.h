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

/// Readers start over from its construction to its destruction. One at a time. What a writer that
/// died in the middle has left odd, in memory that outlives it, becomes even again.
class SeqlockWrite {
 public:
  explicit SeqlockWrite(std::atomic<std::uint64_t>& version)
      : version_(version), odd_(version.load(std::memory_order_relaxed) | 1U) {
    version_.store(odd_);
  }
  ~SeqlockWrite() { version_.store(odd_ + 1); }
  SeqlockWrite(const SeqlockWrite&) = delete;
  SeqlockWrite& operator=(const SeqlockWrite&) = delete;

 private:
  std::atomic<std::uint64_t>& version_;
  const std::uint64_t odd_;
};

template <typename T>
class Seqlock {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Seqlock() { store(T{}); }

  /// One thread only.
  void store(const T& value) {
    std::array<std::uint64_t, kWords> words{};
    std::memcpy(words.data(), &value, sizeof(T));
    const SeqlockWrite write(version_);
    // Release keeps each word behind the odd version: who reads the word, then reads that.
    for (std::size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_release);
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
