#include "devserver/control.h"

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "devserver/answers.h"
#include "devserver/fields.h"

namespace baton::devserver {

using nlohmann::json;

namespace {

// etcd's own advice is a billion; the sum of many must stay far from the end of the numbers.
constexpr Revision kLargestBump = 1'000'000'000'000;

http::Response refused(int status, const std::string& why) {
  return json_answer(status, {{"error", why}});
}

}  // namespace

http::Handler Control::handler() {
  return [this](std::shared_ptr<http::Exchange> exchange) {
    api_.run([this, exchange = std::move(exchange)]() mutable {
      const http::Request& request = exchange->request();
      http::Response response;
      try {
        response = answer(request.method, exchange->target(), request.body);
      } catch (const std::exception& error) {  // of the JSON library, or of whole_number()
        response = refused(400, error.what());
      }
      // The exchange must be let go on its own server's thread.
      server_->post([exchange = std::move(exchange), response = std::move(response)]() mutable {
        exchange->reply(std::move(response));
      });
    });
  };
}

http::Response Control::answer(const std::string& method, const http::Target& target,
                               const std::string& text) {
  const json body = text.empty() ? json::object() : json::parse(text);
  const std::string& path = target.path;
  const auto is = [&](const char* wanted_method, const char* wanted_path) {
    return method == wanted_method && path == wanted_path;
  };
  if (path == "/faults" || path.starts_with("/faults/")) {
    return faults(method, path.substr(std::min<std::size_t>(path.size(), 8)), body);
  }
  if (path.starts_with("/objects/")) return objects(method, path.substr(9), body);
  if (is("GET", "/requests")) {
    const std::string after = target.query.empty() ? "0" : target.query.front().second;
    return json_answer(200, api_.requests_after(static_cast<std::uint64_t>(
                                parse_integer(after, 0, INT64_MAX).value_or(0))));
  }
  if (is("POST", "/watches/close")) {
    return json_answer(200, {{"closed", api_.watches().close(body.value("user", ""))}});
  }
  if (is("POST", "/compact")) {
    const Revision present = api_.store().revision();
    api_.store().compact(whole_number(body, "revision", 0, INT64_MAX, present));
    return json_answer(200, {{"revision", api_.store().revision()}});
  }
  if (is("POST", "/snapshots")) {
    const int id = static_cast<int>(snapshots_.size()) + 1;
    snapshots_[id] = api_.store().snapshot();
    return json_answer(201, {{"snapshot", id}, {"revision", snapshots_[id].revision}});
  }
  if (is("POST", "/restore")) return restore(body);
  return refused(404, "no such request: " + method + " " + path + "; see docs/devserver.md");
}

http::Response Control::faults(const std::string& method, const std::string& id, const json& body) {
  if (method == "GET" && id.empty()) return json_answer(200, api_.faults().list());
  if (method == "POST" && id.empty()) {
    const auto added = api_.faults().add(body, boot_now());
    return added ? json_answer(201, {{"id", *added}}) : refused(400, added.error());
  }
  if (method != "DELETE") return refused(405, "/faults takes GET, POST and DELETE");
  if (id.empty()) {
    api_.faults().clear();
  } else if (!api_.faults().remove(static_cast<int>(parse_integer(id, 1, INT32_MAX).value_or(0)))) {
    return refused(404, "no fault " + id + "; it may have met its count or its time");
  }
  return json_answer(200, json::object());
}

// RESOURCE/NAME in the test namespace, as a hand with full rights and no validation.
http::Response Control::objects(const std::string& method, const std::string& path,
                                const json& body) {
  const std::size_t slash = path.find('/');
  if (slash == std::string::npos || slash + 1 == path.size()) {
    return refused(404, "objects are /objects/RESOURCE/NAME");
  }
  const Key key{path.substr(0, slash), kNamespace, path.substr(slash + 1)};
  if (method == "PUT") return json_answer(200, *api_.store().overwrite(key, body).object);
  if (method == "DELETE") {
    return api_.store().remove(key).object ? json_answer(200, json::object())
                                           : refused(404, "no " + path);
  }
  const Object object = api_.store().get(key);
  return object ? json_answer(200, *object) : refused(404, "no " + path);
}

http::Response Control::restore(const json& body) {
  const auto found =
      snapshots_.find(static_cast<int>(whole_number(body, "snapshot", 0, INT32_MAX, 0)));
  if (found == snapshots_.end()) {
    return refused(404, "\"snapshot\" is none that POST /snapshots has answered");
  }
  api_.store().restore(found->second, whole_number(body, "bump", 0, kLargestBump, 0));
  return json_answer(200, {{"revision", api_.store().revision()}});
}

}  // namespace baton::devserver
