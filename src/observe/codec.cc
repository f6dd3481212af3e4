#include "observe/codec.h"

#include <boost/type_index.hpp>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/text.h"
#include "election/impl.h"

namespace baton::observe {
namespace {

using Json = nlohmann::ordered_json;
using Bytes = std::vector<unsigned char>;

template <typename T>
concept Point = requires(T value) {
  value.time_since_epoch();
};
template <typename T>
concept Length = requires(T value) {
  value.count();
};
template <typename T>
concept Optional = requires(T value) {
  value.has_value();
};
template <typename T>
concept Variant = requires(T value) {
  value.valueless_by_exception();
};
template <typename T>
concept Map = requires {
  typename T::mapped_type;
};
template <typename T>
concept Sequence = requires(T value) {
  value.emplace_back();
};

/// No duration of an election is near this one: eighteen years, in nanoseconds.
constexpr std::int64_t kLongest = std::int64_t{1} << 59;

/// "Listed" for election::Listed.
template <typename T>
std::string name_of() {
  const std::string name = boost::typeindex::type_id<T>().pretty_name();
  return name.substr(name.rfind(':') + 1);
}

/// The first of "one_, two", without the underscore of a private member; takes it off `names`.
std::string next_name(std::string_view& names) {
  const auto end = std::min(names.find(", "), names.size());
  std::string name(names.substr(0, end));
  names.remove_prefix(std::min(end + 2, names.size()));
  if (name.ends_with('_')) name.pop_back();
  return name;
}

template <typename T>
Json write(const T& value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return value;
  } else if constexpr (std::is_enum_v<T>) {
    return static_cast<int>(value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return is_utf8(value) ? Json(value) : Json(Bytes(value.begin(), value.end()));
  } else if constexpr (std::is_same_v<T, std::mt19937_64>) {
    std::ostringstream text;
    text << value;
    return text.str();
  } else if constexpr (Point<T>) {
    return value.time_since_epoch().count();
  } else if constexpr (Length<T>) {
    return value.count();
  } else if constexpr (Optional<T>) {
    return value ? write(*value) : Json();
  } else if constexpr (Variant<T>) {
    return std::visit(
        [](const auto& held) {
          return Json{{name_of<std::decay_t<decltype(held)>>(), write(held)}};
        },
        value);
  } else if constexpr (Map<T>) {
    Json pairs = Json::array();
    for (const auto& [key, mapped] : value) pairs.push_back({write(key), write(mapped)});
    return pairs;
  } else if constexpr (Sequence<T>) {
    Json array = Json::array();
    for (const auto& element : value) array.push_back(write(element));
    return array;
  } else if constexpr (std::is_empty_v<T>) {
    return Json::object();
  } else {
    Json object = Json::object();
    T::visit_fields(value, [&](std::string_view names, const auto&... fields) {
      ((object[next_name(names)] = write(fields)), ...);
    });
    return object;
  }
}

/// The last of each set: a number beyond it names nothing.
int last_of(election::State) { return static_cast<int>(election::State::stopped); }
int last_of(election::FailureKind) { return static_cast<int>(election::FailureKind::ended); }
int last_of(election::WatchEventKind) {
  return static_cast<int>(election::WatchEventKind::bookmark);
}
int last_of(election::Proof) { return static_cast<int>(election::Proof::native_termination); }
int last_of(election::WriteKind) { return static_cast<int>(election::WriteKind::release); }
int last_of(election::NoticeKind) {
  return static_cast<int>(election::NoticeKind::control_refused);
}

template <typename T>
void read(const Json& json, T& value);

template <typename... T>
void read_variant(const Json& json, std::variant<T...>& value) {
  if (!json.is_object() || json.size() != 1) throw std::invalid_argument("needs one name");
  const std::string& name = json.begin().key();
  const bool is_known =
      ((name == name_of<T>() && (read(json.begin().value(), value.template emplace<T>()), true)) ||
       ...);
  if (!is_known) throw std::invalid_argument("\"" + printable(name) + "\" is not known");
}

template <typename T>
void read(const Json& json, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    value = json.get<bool>();
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    if (!json.is_number_unsigned()) throw std::invalid_argument(json.dump() + " is below 0");
    value = json.get<T>();
  } else if constexpr (std::is_arithmetic_v<T>) {
    value = static_cast<T>(
        whole_number(json, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  } else if constexpr (std::is_enum_v<T>) {
    value = static_cast<T>(whole_number(json, 0, last_of(value)));
  } else if constexpr (std::is_same_v<T, std::string>) {
    const Bytes bytes = json.is_array() ? json.get<Bytes>() : Bytes();
    value = json.is_array() ? T(bytes.begin(), bytes.end()) : json.get<T>();
  } else if constexpr (std::is_same_v<T, std::mt19937_64>) {
    std::istringstream(json.get<std::string>()) >> value;
  } else if constexpr (Point<T>) {
    value = T(typename T::duration(whole_number(json, INT64_MIN, INT64_MAX)));
  } else if constexpr (Length<T>) {
    value = T(whole_number(json, -kLongest, kLongest));
  } else if constexpr (Optional<T>) {
    value.reset();
    if (!json.is_null()) {
      typename T::value_type held{};
      read(json, held);
      value = std::move(held);
    }
  } else if constexpr (Variant<T>) {
    read_variant(json, value);
  } else if constexpr (Map<T>) {
    value.clear();
    for (const Json& pair : json) read(pair.at(1), value[pair.at(0).get<std::string>()]);
  } else if constexpr (Sequence<T>) {
    value.clear();
    for (const Json& element : json) read(element, value.emplace_back());
  } else if constexpr (!std::is_empty_v<T>) {
    T::visit_fields(value, [&](std::string_view names, auto&... fields) {
      (read(json.at(next_name(names)), fields), ...);
    });
  }
}

class Digest {
 public:
  template <typename T>
  void add(const T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      mix(static_cast<std::uint64_t>(value));
    } else if constexpr (std::is_same_v<T, std::string>) {
      mix(value.size());
      value_ = checksum(value, value_);
    } else if constexpr (Point<T>) {
      add(value.time_since_epoch().count());
    } else if constexpr (Length<T>) {
      add(value.count());
    } else if constexpr (Optional<T>) {
      mix(value.has_value() ? 1 : 0);
      if (value) add(*value);
    } else if constexpr (Variant<T>) {
      mix(value.index());
      std::visit([this](const auto& held) { add(held); }, value);
    } else if constexpr (Map<T>) {
      mix(value.size());
      for (const auto& [key, mapped] : value) add(key), add(mapped);
    } else if constexpr (Sequence<T>) {
      mix(value.size());
      for (const auto& element : value) add(element);
    } else if constexpr (!std::is_empty_v<T>) {
      T::visit_fields(value,
                      [this](std::string_view, const auto&... fields) { (add(fields), ...); });
    }
  }
  std::uint64_t value() const { return value_; }

 private:
  void mix(std::uint64_t number) {
    value_ = (value_ ^ number) * 0x9E3779B97F4A7C15ULL;
    value_ ^= value_ >> 32;
  }

  std::uint64_t value_ = checksum("");
};

}  // namespace

std::int64_t whole_number(const Json& json, std::int64_t least, std::int64_t most) {
  const bool is_whole =
      json.is_number_integer() &&
      (!json.is_number_unsigned() || std::in_range<std::int64_t>(json.get<std::uint64_t>()));
  const std::int64_t number = is_whole ? json.get<std::int64_t>() : 0;
  if (is_whole && number >= least && number <= most) return number;
  throw std::invalid_argument(json.dump() + " is no whole number from " + std::to_string(least) +
                              " to " + std::to_string(most));
}

std::uint64_t checksum(std::string_view bytes, std::uint64_t so_far) {
  for (const char byte : bytes) {
    so_far = (so_far ^ static_cast<unsigned char>(byte)) * 1099511628211ULL;
  }
  return so_far;
}

std::uint64_t digest(const election::Step& step, const election::Status& status) {
  Digest digest;
  digest.add(step);
  digest.add(status);
  return digest.value();
}

Json to_json(const election::Event& event) { return write(event); }
Json to_json(const election::Election& election) { return write(election.state()); }

election::Event event_of(const Json& json) {
  election::Event event;
  read(json, event);
  return event;
}

election::Election election_of(const Json& json) {
  election::Options options;
  read(json.at("options"), options);
  election::Timings times;
  read(json.at("times"), times);
  for (const election::Timings& each : {options.timings, times}) {
    const auto wrong = check_timings(each);
    if (!wrong.empty()) throw std::invalid_argument(wrong.front());
  }
  whole_number(json.at("options").at("replicas"), 1, 1000);
  election::Election election({}, {});
  read(json, election.state());
  return election;
}

}  // namespace baton::observe
