// A value or the one-line reason why there is none. Exceptions stay at the edge of the house.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace baton {

/// What was wrong, the value, the rule and the mend, in one line for people.
struct Error {
  std::string what;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : held_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return std::holds_alternative<T>(held_); }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<T>(held_); }
  const T& value() const& { return std::get<T>(held_); }
  T&& value() && { return std::get<T>(std::move(held_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const std::string& error() const { return std::get<Error>(held_).what; }

 private:
  std::variant<T, Error> held_;
};

}  // namespace baton
