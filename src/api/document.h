// The words of the status: the document of `GET /leader` and the name that `GET /` answers. Safe on
// any thread.
#pragma once

#include <string>
#include <string_view>

#include "api/api.h"

namespace baton::api {

/// Appends `text` as a JSON string.
void append_quoted(std::string& out, std::string_view text);

/// The state at `now`: a belief whose deadline has passed is `degraded` before the election's
/// thread has had its turn, as after a stop of the process.
election::State state_at(const StatusView& view, Instant now);

/// Whether `view` leads at `now` with `remaining` left, which never is less than nothing.
Duration validity(const StatusView& view, Instant now);

/// What the retired leader-elector answers as the leader's name, "" if there is none: never the own
/// Pod unless it leads. A view that may lead is from read_for_answer().
std::string leader_name(const Context& context, const StatusView& view, Instant now);

/// {"name":"…"} with leader_name().
http::Response name_answer(const Context& context);

class StatusDocument {
 public:
  explicit StatusDocument(const Context& context);

  /// The JSON text, one line.
  std::string text(const StatusView& view, Instant now) const;
  std::string revision(const StatusView& view, Instant now) const;
  /// The document with its headers.
  http::Response answer(int status, const StatusView& view, Instant now) const;

 private:
  std::string names_, lease_, run_id_;
};

/// Baton-Fencing-Token (while leading), Baton-Valid-For-Ms, Cache-Control and the content type.
http::Headers answer_headers(const StatusView& view, Instant now, std::string_view content_type);

/// {"error":"…"}
http::Response error_answer(int status, std::string_view what);

}  // namespace baton::api
