// A sidecar whose answers a test writes: a real listener on a free port of 127.0.0.1.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/commands.h"
#include "http/server.h"

namespace baton::cli {

class FakeSidecar {
 public:
  FakeSidecar() {
    auto server = http::Server::listen({"127.0.0.1:0", {}, nullptr},
                                       [this](auto exchange) { handle(std::move(exchange)); });
    server_ = std::move(server).value();
    server_->start();
  }
  ~FakeSidecar() { server_->stop(); }

  std::string address() const { return server_->address(); }
  void stop() { server_->stop(); }

  /// What requests with this path get ("/leader/events" is answered from the document).
  void answer(const std::string& path, int status, const std::string& body = "") {
    const std::lock_guard lock(mutex_);
    answers_[path] = {status, {}, body};
  }
  /// The status document from now on, for /leader and as an event to every open stream.
  void publish(const nlohmann::json& document) {
    {
      const std::lock_guard lock(mutex_);
      document_ = document.dump();
    }
    server_->post([this, event = "data: " + document.dump() + "\n\n"] {
      for (auto& stream : streams_) stream->write(event);
    });
  }
  void end_streams() {
    server_->post([this] {
      for (auto& stream : streams_) stream->close();
      streams_.clear();
    });
  }

  /// "METHOD target body" of each request so far.
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  int streams_opened() {
    const std::lock_guard lock(mutex_);
    return streams_opened_;
  }
  /// Waits until a request begins with `prefix`; false after ten seconds.
  bool wait_for(const std::string& prefix) {
    return wait_until([&] {
      for (const std::string& request : requests_) {
        if (request.starts_with(prefix)) return true;
      }
      return false;
    });
  }
  bool wait_for_streams(int count) {
    return wait_until([&] { return streams_opened_ >= count; });
  }

 private:
  template <typename Condition>
  bool wait_until(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), condition);
  }

  void handle(std::shared_ptr<http::Exchange> exchange) {
    const http::Request& request = exchange->request();
    const std::string path = exchange->target().path;
    http::Response response{404, {}, ""};
    bool is_stream = false;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request.method + " " + request.target +
                          (request.body.empty() ? "" : " " + request.body));
      const auto found = answers_.find(path);
      if (request.method == "POST" && http::header(request.headers, "Baton-Control") != "1") {
        response.status = 403;
      } else if (found != answers_.end()) {
        response = found->second;
      } else if (path == "/leader" && !document_.empty()) {
        response = {503, {}, document_};
      } else if (path == "/leader/events" && !document_.empty()) {
        is_stream = true;
        ++streams_opened_;
        response.body = "data: " + document_ + "\n\n";
      }
      changed_.notify_all();
    }
    if (!is_stream) return exchange->reply(std::move(response));
    exchange->start_stream({200, {{"Content-Type", "text/event-stream"}}, ""});
    exchange->write(": a comment\n\n" + response.body);
    streams_.push_back(std::move(exchange));
  }

  std::unique_ptr<http::Server> server_;
  std::vector<std::shared_ptr<http::Exchange>> streams_;  // the server's thread only

  std::mutex mutex_;
  // The fields below are protected by mutex_.
  std::condition_variable changed_;
  std::map<std::string, http::Response> answers_;
  std::string document_;
  std::vector<std::string> requests_;
  int streams_opened_ = 0;
};

inline nlohmann::json document(const std::string& state) {
  return {{"isLeader", false},
          {"state", state},
          {"election", "app"},
          {"namespace", "prod"},
          {"pod", "pod-1"},
          {"identity", "pod-1_x_y"},
          {"revision", "r1"},
          {"leader", {{"pod", ""}, {"identity", ""}}},
          {"lease", {{"renewDeadlineMs", 12000}}}};
}

inline nlohmann::json leading(const std::string& term, Duration validity) {
  nlohmann::json out = document("leading");
  out["isLeader"] = true;
  out["termId"] = term;
  out["fencingToken"] = "41";
  out["deadlineBoottimeNs"] = std::to_string((boot_now() + validity).time_since_epoch().count());
  out["leader"] = {{"pod", "pod-1"}, {"identity", "pod-1_x_y"}, {"fencingToken", "41"}};
  return out;
}

struct Outcome {
  int code;
  std::string out, err;
};

inline Outcome run_cli(const std::vector<std::string>& arguments,
                       const config::Environment& environment = {},
                       int (*run_sidecar)(const config::Settings&) = nullptr) {
  std::ostringstream out, err;
  Shell shell{out, err, environment, run_sidecar};
  const int code = dispatch(arguments, shell);
  return {code, out.str(), err.str()};
}

}  // namespace baton::cli
