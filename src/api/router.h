// One table of routes makes the dispatch, the refusals and /openapi.json. Immutable: any thread.
//
// Before a handler runs, the router has refused: a foreign Host, an Origin, or what a browser asks
// for a page of another site (local reach), an unknown path (404), another method (405 with Allow),
// a POST without "Baton-Control: 1" (403), and every parameter or body field that is unknown,
// doubled, missing or against its kind (400).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "http/server.h"

namespace baton::api {

enum class Kind { text, flag, duration, token };

/// A query parameter, or a field of a JSON body (there a string, or an integer for a token).
struct Field {
  std::string_view name;
  Kind kind;
  std::string_view about;
  Duration at_most{0};  // of a duration
  bool is_required = false;
};

/// A request whose fields have been checked.
struct Call {
  std::shared_ptr<http::Exchange> exchange;
  std::vector<std::pair<std::string, std::string>> body;

  /// Of the query, else of the body; null if absent.
  const std::string* find(std::string_view name) const;
  std::string text(std::string_view name) const;    // "" if absent
  bool flag(std::string_view name) const;           // false if absent
  Duration duration(std::string_view name) const;   // 0 if absent
  std::int64_t token(std::string_view name) const;  // 0 if absent
};

/// When a status is answered, for people, and whether its body is the status document.
struct Answer {
  int status;
  std::string_view when;
  bool has_document = false;
};

struct Route {
  std::string_view methods;  // as in Allow: "GET, HEAD", "GET" (a stream) or "POST"
  std::string_view path;
  std::string_view summary;
  std::function<void(const Call&)> handle;
  std::vector<Answer> answers;
  std::vector<Field> query, body;
  bool is_static = false;  // the same for everyone: a link on any page may open it
};

enum class Reach {
  local,  // this machine's callers only: Host, Origin and Sec-Fetch-Site are checked
  open,
};

/// Answers each request by its route.
http::Handler router(std::vector<Route> routes, Reach reach);

/// The OpenAPI 3 description of the routes.
std::string openapi(const std::vector<Route>& routes);

}  // namespace baton::api
