#include "mixed/application.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "support/process.h"

namespace baton::test {
namespace {

// No answer within it means no.
constexpr std::chrono::seconds kAnswerBound{1};
constexpr std::chrono::milliseconds kHoldBound{500};
constexpr std::chrono::hours kForEver{10};

std::int64_t number(const nlohmann::json& document, const char* key) {
  return std::strtoll(document.value(key, "0").c_str(), nullptr, 10);
}

}  // namespace

Application::Application(std::string name, std::uint16_t port, Store& store,
                         std::chrono::milliseconds period)
    : name_(std::move(name)), store_(store), period_(period), baton_(port), thread_([this] {
        run();
      }) {}

Application::~Application() {
  stop();
  thread_.join();
}

bool Application::hold() {
  held_ = true;
  const bool there = wait_until([this] { return is_held_.load(); }, kHoldBound);
  held_ = there;
  return there;
}

void Application::run() {
  while (!stopped_) {
    if (resigns_.exchange(false)) {
      baton_.request("POST", "/resign?drained=true", "", kAnswerBound);
    }
    work_once();
    wait_until([this] { return stopped_.load(); }, period_);
  }
}

void Application::work_once() {
  const Answer answer = baton_.request("GET", "/leader", "", kAnswerBound);
  const auto status = answer.json();
  if (answer.status != 200 || !status.is_object() ||
      boottime_ns() >= number(status, "deadlineBoottimeNs")) {
    return;
  }
  const std::int64_t token = number(status, "fencingToken");
  const std::string term = status.value("termId", "");
  if (term != sealed_term_ && !store_.seal(name_, token)) {
    return;
  }
  sealed_term_ = term;
  const Store::Values seen = store_.read(name_);
  if (held_) {
    is_held_ = true;
    wait_until([this] { return !held_ || stopped_; }, kForEver);
    is_held_ = false;
  }
  store_.write(name_, token, {seen.fenced + 1, seen.twin + 1});
}

}  // namespace baton::test
