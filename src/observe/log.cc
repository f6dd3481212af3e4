#include "observe/log.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/clock.h"
#include "base/text.h"

namespace baton::observe {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kTextLimit = 1024;  // of one value, so that the other fields have room
const char* const kLevelNames[] = {"debug", "info", "warning", "error"};

std::atomic<Level> g_level{Level::info};

struct Sink {
  std::mutex mutex;
  std::vector<std::pair<std::string, Json>> common;
  std::uint64_t dropped = 0;
};
Sink& sink() {
  static auto* const the_sink = new Sink;  // never destroyed: threads may log during exit
  return *the_sink;
}

Json value_of(const Field& field) {
  return std::visit(
      [](const auto& value) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>) {
          return printable(value, kTextLimit);
        } else {
          return value;
        }
      },
      field.second);
}

// One line, at most PIPE_BUF bytes with its newline; fields that do not fit are left out, the last
// first.
std::string to_line(Json object) {
  std::string line = object.dump();
  while (line.size() >= PIPE_BUF) {
    object.erase("cut");
    object.erase(std::prev(object.end()));
    object["cut"] = true;
    line = object.dump();
  }
  return line + '\n';
}

}  // namespace

void set_level(Level level) { g_level = level; }

void set_common_fields(std::initializer_list<Field> fields) {
  const std::lock_guard lock(sink().mutex);
  sink().common.clear();
  for (const Field& field : fields) sink().common.emplace_back(field.first, value_of(field));
}

void log(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (level < g_level.load(std::memory_order_relaxed)) return;
  Json object{{"time", wall_now_micro()},
              {"boottime_ns", boot_now().time_since_epoch().count()},
              {"level", kLevelNames[static_cast<int>(level)]},
              {"msg", printable(message, kTextLimit)}};
  const std::lock_guard lock(sink().mutex);
  for (const auto& [key, value] : sink().common) object[key] = value;
  for (const Field& field : fields) object[std::string(field.first)] = value_of(field);
  if (sink().dropped > 0) object["lines_dropped"] = sink().dropped;
  const std::string line = to_line(std::move(object));
  pollfd out{STDERR_FILENO, POLLOUT, 0};
  const bool writable = poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0;
  const bool written = writable && ::write(STDERR_FILENO, line.data(), line.size()) ==
                                       static_cast<ssize_t>(line.size());
  sink().dropped = written ? 0 : sink().dropped + 1;
}

}  // namespace baton::observe
