// The sidecar's word for `baton exec`, on a thread of its own so that no answer that hangs can keep
// the child alive: a holding connection, over which every change and every renewal comes.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "cli/document.h"
#include "cli/local_client.h"

namespace baton::cli {

class Feed {
 public:
  struct News {
    Document document;
    bool is_held = false;  // a holding connection was open: the sidecar waits for its end
  };

  /// `wake` is called on the feed's thread when there are news; must not block.
  Feed(LocalClient client, const std::string& holder, std::function<void()> wake);
  ~Feed();

  /// The latest answer that was not taken yet.
  std::optional<News> take();

  /// Closes the holding connection, which tells the sidecar that the work has ended, and opens the
  /// next one. Answers read before are dropped.
  void renew_hold();

 private:
  void loop();
  void hold();
  void publish(const Result<Document>& document);

  LocalClient client_;  // the feed's thread only
  const std::string query_;
  const std::function<void()> wake_;

  std::mutex mutex_;
  // The fields below are protected by mutex_.
  std::condition_variable stopped_;
  std::shared_ptr<http::Connection> stream_;  // null while none is open
  std::optional<News> news_;
  bool must_reopen_ = false;
  bool is_stopping_ = false;

  std::thread thread_;
};

}  // namespace baton::cli
