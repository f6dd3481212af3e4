#include "runtime/health.h"

#include <utility>

#include "base/thread.h"
#include "observe/log.h"

namespace baton::runtime {
namespace {

/// The kubelet's timeoutSeconds.
constexpr Duration kAnswerTimeout = std::chrono::seconds(1);

http::Endpoint endpoint_of(const config::HttpUrl& url) {
  return {.host = url.host, .port = static_cast<std::uint16_t>(url.port), .authority = ""};
}

}  // namespace

std::optional<std::string> HealthJudge::hear(const std::string& failure) {
  const int needed = last_ ? kInARow : 1;
  const bool is_good = failure.empty();
  against_ = is_good == is_healthy_ ? 0 : against_ + 1;
  alike_ = failure == last_ ? alike_ + 1 : 1;
  last_ = failure;
  if (against_ >= needed) {
    is_healthy_ = is_good;
    against_ = 0;
    return told_ = failure;
  }
  const bool is_news = told_.empty() || alike_ == kInARow;
  if (is_healthy_ || is_good || failure == told_ || !is_news) return {};
  return told_ = failure;
}

HealthGate::HealthGate(const config::HttpUrl& url, Tell tell, std::function<bool()> pod_is_ending,
                       Duration period)
    : url_(url),
      tell_(std::move(tell)),
      pod_is_ending_(std::move(pod_is_ending)),
      period_(period),
      connection_(http::Connection::make(endpoint_of(url), nullptr)) {
  tell_({false, url_.text + ": no answer yet"});
  thread_ = named_thread("health", [this] { run(); });
}

HealthGate::~HealthGate() {
  stop();
  thread_.join();
}

void HealthGate::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  wake_.notify_all();
  connection_->cancel();
}

void HealthGate::run() {
  HealthJudge judge;
  while (true) {
    const Instant next = boot_now() + period_;
    const std::string failure = ask();
    if (stopping_) return;
    const bool was_healthy = judge.is_healthy();
    const auto news = judge.hear(failure);
    if (news && was_healthy && pod_is_ending_()) {
      observe::log(observe::Level::info, "application ends with its Pod", {{"reason", failure}});
      return;
    }
    if (news && judge.is_healthy()) {
      observe::log(observe::Level::info, "application healthy", {{"url", url_.text}});
      tell_({true, ""});
    } else if (news) {
      tell_({false, url_.text + ": " + *news});
    }
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, next - boot_now(), [this] { return stopping_.load(); })) return;
  }
}

/// On a connection of its own: one that is kept tells nothing about a server that has stopped
/// listening. The body does not matter.
std::string HealthGate::ask() {
  const http::Request request{.method = "GET",
                              .target = url_.target,
                              .headers = {{"User-Agent", "baton/" BATON_VERSION},
                                          {"Accept", "*/*"},
                                          {"Connection", "close"}},
                              .body = ""};
  const http::Reply reply = connection_->open_stream(request, boot_now() + kAnswerTimeout);
  connection_->close();
  if (reply.kind != http::IoKind::ok) return reply.what;
  const int status = reply.response.status;
  return status >= 200 && status < 400 ? "" : "answered " + std::to_string(status);
}

}  // namespace baton::runtime
