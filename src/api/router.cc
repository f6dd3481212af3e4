#include "api/router.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "api/document.h"
#include "base/text.h"
#include "election/lease.h"

namespace baton::api {
namespace {

using nlohmann::json;
using Values = std::vector<std::pair<std::string, std::string>>;

using Refusal = std::optional<http::Response>;  // empty: the request is not refused

std::string shown(std::string_view text) { return '"' + printable(text, 100) + '"'; }

const std::string* find_in(const Values& values, std::string_view name) {
  const auto found = std::ranges::find(values, name, &Values::value_type::first);
  return found == values.end() ? nullptr : &found->second;
}

/// In any case of its letters, without asking a locale, which takes longer than all else here.
bool is_localhost(std::string_view name) {
  const auto lower = [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  };
  return std::ranges::equal(name, std::string_view("localhost"), {}, lower);
}

bool is_local_name(std::string_view host) {
  std::string_view name = host.substr(0, host.find(':'));
  if (host.starts_with('[')) name = host.substr(0, host.find(']') + 1);
  const std::string_view port = host.substr(name.size());
  const bool has_port = port.starts_with(':') && parse_integer(port.substr(1), 0, 65535);
  if (!port.empty() && !has_port) return false;
  return is_localhost(name) || name == "127.0.0.1" || name == "[::1]";
}

// DNS rebinding and web pages (design section 4).
Refusal check_caller(const http::Exchange& exchange) {
  const http::Headers& headers = exchange.request().headers;
  const std::string_view host = http::header(headers, "Host");
  if (!exchange.over_unix_socket() && !is_local_name(host)) {
    return error_answer(
        403, "Host: " + shown(host) +
                 " is refused: only localhost, 127.0.0.1 and [::1] are answered; call by one of"
                 " these names");
  }
  if (const std::string_view origin = http::header(headers, "Origin"); !origin.empty()) {
    return error_answer(403, "Origin: " + shown(origin) +
                                 " is refused: web pages may not call this; send no Origin header");
  }
  return {};
}

// A page of another site may load an image or a frame from here, and then sends no Origin.
Refusal check_site(const http::Exchange& exchange) {
  const std::string_view site = http::header(exchange.request().headers, "Sec-Fetch-Site");
  if (site.empty() || site == "same-origin" || site == "none") return {};
  return error_answer(403, "Sec-Fetch-Site: " + shown(site) +
                               " is refused: pages of other sites may not call this; type its"
                               " address into the browser");
}

Refusal check_value(const Field& field, const std::string& value) {
  const std::string head = std::string(field.name) + ": " + shown(value);
  switch (field.kind) {
    case Kind::text: break;
    case Kind::flag:
      if (value.empty() || value == "true" || value == "false") break;
      return error_answer(400, head + " is neither true nor false; write one of them");
    case Kind::duration: {
      const auto duration = parse_duration(value);
      if (duration && *duration >= Duration(0) && *duration <= field.at_most) break;
      return error_answer(400, head + " is no duration from 0s to " +
                                   format_duration(field.at_most) +
                                   "; write a number with a unit, such as 1500ms or 3s");
    }
    case Kind::token:
      if (parse_integer(value, 1, election::kMaxToken)) break;
      return error_answer(400, head + " is no fencing token; write a whole number from 1 to " +
                                   std::to_string(election::kMaxToken));
  }
  return {};
}

// Every value against its field; `what` is how people call such a value.
Refusal check_values(const std::vector<Field>& fields, const Values& values,
                     const std::string& what) {
  for (const auto& [name, value] : values) {
    const auto field = std::ranges::find(fields, name, &Field::name);
    if (field == fields.end()) {
      std::string known;
      for (const Field& one : fields) known += (known.empty() ? "" : ", ") + std::string(one.name);
      return error_answer(400, "unknown " + what + " " + shown(name) +
                                   "; known here: " + (known.empty() ? "none" : known));
    }
    if (std::ranges::count(values, name, &Values::value_type::first) > 1) {
      return error_answer(400, what + " " + shown(name) + " is given more than once; give it once");
    }
    if (Refusal refusal = check_value(*field, value)) return refusal;
  }
  for (const Field& field : fields) {
    if (field.is_required && find_in(values, field.name) == nullptr) {
      return error_answer(400, what + " \"" + std::string(field.name) +
                                   "\" is missing: " + std::string(field.about));
    }
  }
  return {};
}

// A JSON object of strings, and of integers where `fields` want tokens; no text at all is an object
// without fields.
Refusal read_body(const std::string& text, const std::vector<Field>& fields, Values& values) {
  if (trim(text).empty()) return {};
  const json body = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object())
    return error_answer(400, "the body is no JSON object; write {\"key\":\"value\"}");
  for (const auto& [key, value] : body.items()) {
    const auto field = std::ranges::find(fields, key, &Field::name);
    const bool is_token = field != fields.end() && field->kind == Kind::token;
    if (!value.is_string() && !(is_token && value.is_number_integer())) {
      return error_answer(400, "body field " + shown(key) +
                                   (is_token ? " is neither a string nor a whole number"
                                             : " is no string; write it in quotes"));
    }
    values.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return {};
}

bool allows(std::string_view methods, std::string_view method) {
  return method == methods || (methods == "GET, HEAD" && (method == "GET" || method == "HEAD"));
}

Refusal find_route(const std::vector<Route>& routes, const http::Exchange& exchange,
                   const Route*& route) {
  const std::string& path = exchange.target().path;
  const std::string& method = exchange.request().method;
  const auto found = std::ranges::find(routes, path, &Route::path);
  if (found == routes.end()) {
    std::string known;
    for (const Route& one : routes) known.append(" ").append(one.path);
    return error_answer(404, "no such path: " + shown(path) + "; there are" + known);
  }
  if (!allows(found->methods, method)) {
    const std::string allowed(found->methods);
    http::Response answer =
        error_answer(405, shown(method) + " is not allowed on " + path + "; use " + allowed);
    answer.headers.emplace_back("Allow", allowed);
    return answer;
  }
  route = &*found;
  return {};
}

Refusal check_call(const Route& route, Call& call) {
  const http::Request& request = call.exchange->request();
  const bool is_post = request.method == "POST";
  if (is_post && http::header(request.headers, "Baton-Control") != "1") {
    return error_answer(403,
                        "POST needs the header \"Baton-Control: 1\", which no plain link or form "
                        "can send; add it");
  }
  Refusal refusal = check_values(route.query, call.exchange->target().query, "query parameter");
  if (!refusal && is_post) refusal = read_body(request.body, route.body, call.body);
  if (!refusal) refusal = check_values(route.body, call.body, "body field");
  return refusal;
}

}  // namespace

const std::string* Call::find(std::string_view name) const {
  const std::string* value = find_in(exchange->target().query, name);
  return value != nullptr ? value : find_in(body, name);
}

std::string Call::text(std::string_view name) const {
  const std::string* value = find(name);
  return value == nullptr ? "" : *value;
}

bool Call::flag(std::string_view name) const {
  const std::string* value = find(name);
  return value != nullptr && *value != "false";
}

Duration Call::duration(std::string_view name) const {
  const std::string* value = find(name);
  return value == nullptr ? Duration(0) : parse_duration(*value).value_or(Duration(0));
}

std::int64_t Call::token(std::string_view name) const {
  const std::string* value = find(name);
  return value == nullptr ? 0 : parse_integer(*value, 1, election::kMaxToken).value_or(0);
}

http::Handler router(std::vector<Route> routes, Reach reach) {
  return [all = std::make_shared<const std::vector<Route>>(std::move(routes)),
          reach](const std::shared_ptr<http::Exchange>& exchange) {
    Call call{exchange, {}};
    Refusal refusal;
    const Route* route = nullptr;
    if (reach == Reach::local) refusal = check_caller(*exchange);
    if (!refusal) refusal = find_route(*all, *exchange, route);
    if (!refusal && reach == Reach::local && !route->is_static) refusal = check_site(*exchange);
    if (!refusal) refusal = check_call(*route, call);
    refusal ? exchange->reply(std::move(*refusal)) : route->handle(call);
  };
}

}  // namespace baton::api
