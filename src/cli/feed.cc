#include "cli/feed.h"

namespace baton::cli {
namespace {

constexpr std::chrono::seconds kPrompt(1);  // for an answer: the application waits for the news
constexpr std::chrono::milliseconds kReopen(250);  // from one try to open a stream to the next

}  // namespace

Feed::Feed(LocalClient client, const std::string& holder, std::function<void()> wake)
    : client_(std::move(client)),
      query_("?hold=true" + (holder.empty() ? "" : "&name=" + percent_encoded(holder))),
      wake_(std::move(wake)) {
  thread_ = std::thread([this] { loop(); });
}

Feed::~Feed() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    if (stream_) stream_->cancel();
  }
  stopped_.notify_all();
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
}

void Feed::loop() {
  Instant try_at = boot_now();
  while (true) {
    {
      std::unique_lock lock(mutex_);
      stopped_.wait_for(lock, try_at - boot_now(), [this] { return is_stopping_; });
      if (is_stopping_) return;
      must_reopen_ = false;
    }
    try_at = boot_now() + kReopen;
    // Finds the address that answers, and the deadline where no stream can be had.
    publish(client_.document(kPrompt));
    hold();
  }
}

/// Until the stream ends or is canceled; leaving closes it.
void Feed::hold() {
  const auto stream = client_.open_events(kPrompt, query_);
  if (!stream) return;
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_ || must_reopen_) return;
    stream_ = *stream;
  }
  EventLines events;
  std::string error;
  while (const auto line = (*stream)->next_line(kNever, error)) {
    if (const auto data = events.feed(*line)) publish(parse_document(*data));
  }
  const std::lock_guard lock(mutex_);
  stream_.reset();
}

void Feed::publish(const Result<Document>& document) {
  if (!document) return;
  {
    const std::lock_guard lock(mutex_);
    if (must_reopen_) return;
    news_ = News{*document, stream_ != nullptr};
  }
  wake_();
}

}  // namespace baton::cli
