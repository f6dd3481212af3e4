#include "cli/feed.h"

namespace baton::cli {
namespace {

constexpr std::chrono::seconds kAnswer(1);
constexpr std::chrono::milliseconds kAgain(250);  // between tries to open a stream

}  // namespace

Feed::Feed(LocalClient client, std::string holder, std::function<void()> wake)
    : client_(std::move(client)), holder_(std::move(holder)), wake_(std::move(wake)) {
  thread_ = std::thread([this] { loop(); });
}

Feed::~Feed() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    if (stream_) stream_->cancel();
  }
  changed_.notify_all();
  thread_.join();
}

std::optional<Feed::News> Feed::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(news_, std::nullopt);
}

void Feed::renew_hold() {
  const std::lock_guard lock(mutex_);
  must_reopen_ = true;
  news_.reset();
  if (stream_) stream_->cancel();
  changed_.notify_all();
}

std::shared_ptr<http::Connection> Feed::stream() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(must_reopen_, false) && stream_) {
    stream_->close();
    stream_.reset();
  }
  return stream_;
}

void Feed::loop() {
  Instant try_at = boot_now();
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (!stream_) changed_.wait_for(lock, try_at - boot_now(), [this] { return is_stopping_; });
      if (is_stopping_) return;
    }
    if (const auto open = stream()) {
      read(*open);
    } else {
      ask();
      open_stream();
      try_at = boot_now() + kAgain;
    }
  }
}

void Feed::open_stream() {
  std::shared_ptr<http::Connection> fresh = client_.separate_connection();
  const std::string name = holder_.empty() ? "" : "&name=" + percent_encoded(holder_);
  const http::Reply reply = fresh->open_stream(
      make_request("GET", "/leader/events?hold=true" + name), boot_now() + kAnswer);
  if (reply.kind != http::IoKind::ok || reply.response.status != 200) return;
  events_ = {};
  const std::lock_guard lock(mutex_);
  stream_ = std::move(fresh);
}

/// Until the stream ends or is canceled.
void Feed::read(http::Connection& open) {
  std::string error;
  while (const auto line = open.next_line(kNever, error)) {
    if (const auto data = events_.feed(*line)) publish(*data);
  }
  const std::lock_guard lock(mutex_);
  stream_.reset();
}

/// Finds the address that answers, and the deadline where no stream can be had.
void Feed::ask() {
  const http::Reply reply = client_.call("GET", "/leader", "", kAnswer);
  if (reply.kind == http::IoKind::ok) publish(reply.response.body);
}

void Feed::publish(const std::string& json) {
  const auto document = parse_document(json);
  if (!document) return;
  {
    const std::lock_guard lock(mutex_);
    if (must_reopen_) return;
    news_ = News{*document, stream_ != nullptr};
  }
  wake_();
}

}  // namespace baton::cli
