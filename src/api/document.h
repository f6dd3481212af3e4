// The words of the answers: the status document of `GET /leader`, the name that `GET /` answers,
// refusals. The functions are safe on any thread, a StatusDocument on one only.
#pragma once

#include <string>
#include <string_view>

#include "api/api.h"

namespace baton::api {

class StatusDocument {
 public:
  explicit StatusDocument(const Context& context);

  /// The JSON text, one line. /openapi.json describes it (openapi.cc). Written anew when something
  /// changes: until then only the validity differs from one answer, or stream, to the next.
  std::string text(const StatusView& view, Instant now);
  std::string revision(const StatusView& view, Instant now) const {
    return revision(view, now, traffic());
  }
  /// The document with its headers.
  http::Response answer(int status, const StatusView& view, Instant now);

 private:
  /// The last text around its validity, and what it is of.
  struct Written {
    std::uint64_t change = 0, traffic_change = 0;  // a view's changes count from 1
    Instant deadline = kLongAgo;
    bool has_lapsed = false;
    std::string before, after;
  };
  void write(const StatusView& view, Instant now, const TrafficBoard::View& traffic);
  TrafficBoard::View traffic() const { return traffic_ ? traffic_->read() : TrafficBoard::View(); }
  std::string revision(const StatusView& view, Instant now,
                       const TrafficBoard::View& traffic) const;

  std::string names_, lease_, run_id_;
  std::shared_ptr<const TrafficBoard> traffic_;
  Written written_;
};

/// An answer that no cache may keep; an empty `content_type` is left out.
http::Response uncached(int status, std::string content_type, std::string body);

/// uncached() with Baton-Valid-For-Ms and, while leading, Baton-Fencing-Token.
http::Response status_answer(int status, const StatusView& view, Instant now,
                             std::string content_type, std::string body);

/// {"error":"…"}
http::Response error_answer(int status, std::string_view what);

/// {"name":"…"}: what the retired leader-elector answers as the leader's name, "" if there is none;
/// never the own Pod unless it leads.
http::Response name_answer(const Context& context);

}  // namespace baton::api
