#include "cli/local_client.h"

#include <algorithm>

#include "base/text.h"
#include "config/rules.h"
#include "config/table.h"

namespace baton::cli {
namespace {

http::Endpoint endpoint_of(const config::Address& address) {
  if (!address.path.empty()) return {"unix:" + address.path, 0, "localhost"};
  const auto port = parse_integer(address.port, 0, 65535).value_or(0);
  return {address.host, static_cast<std::uint16_t>(port), ""};
}

std::string no_answer(const std::string& where, const http::Reply& reply) {
  return "no answer from the sidecar at " + where + ": " + reply.what;
}

}  // namespace

Result<LocalClient> LocalClient::make(const std::string& key, const Arguments& arguments,
                                      const config::Environment& environment) {
  std::string origin = "--" + key;
  std::string text = arguments.get(origin);
  if (text.empty()) {
    origin = config::variable_of(key);
    const auto found = environment.find(origin);
    text = found == environment.end() ? "" : found->second;
  }
  if (text.empty()) text = config::find_setting(key)->standard;
  auto addresses = config::parse_addresses(text);
  if (!addresses) return Error{origin + ": \"" + printable(text) + "\": " + addresses.error()};
  if (addresses->empty()) {
    return Error{origin + ": \"off\": the sidecar does not listen; give the option an address"};
  }
  std::vector<http::Endpoint> endpoints;
  std::string where;
  for (config::Address& address : *addresses) {
    const bool is_v6 = address.host.find(':') != std::string::npos;
    if (address.wildcard) address.host = is_v6 ? "::1" : "127.0.0.1";
    endpoints.push_back(endpoint_of(address));
    where += (where.empty() ? "" : ",") + address.text();
  }
  return LocalClient(std::move(endpoints), printable(where));
}

Result<http::Response> LocalClient::call(const std::string& method, const std::string& target,
                                         Duration timeout, const std::string& body) {
  const Instant deadline = boot_now() + timeout;
  http::Request request{method, target, {}, body};
  if (method == "POST") request.headers.emplace_back("Baton-Control", "1");
  if (!body.empty()) request.headers.emplace_back("Content-Type", "application/json");
  http::Reply reply;
  for (std::size_t tried = 0; tried < endpoints_.size(); ++tried) {
    if (!connection_) connection_ = http::Connection::make(endpoints_.front(), nullptr);
    reply = connection_->exchange(request, deadline);
    if (reply.kind != http::IoKind::not_sent) break;
    connection_.reset();
    std::rotate(endpoints_.begin(), endpoints_.begin() + 1, endpoints_.end());
  }
  if (reply.kind != http::IoKind::ok) return Error{no_answer(where_, reply)};
  return std::move(reply.response);
}

Result<Document> LocalClient::document(Duration timeout, const std::string& query) {
  const auto answer = call("GET", "/leader" + query, timeout);
  if (!answer) return Error{answer.error()};
  return parse_document(answer->body);
}

Result<std::shared_ptr<http::Connection>> LocalClient::open_events(Duration timeout,
                                                                   const std::string& query) const {
  std::shared_ptr<http::Connection> stream = http::Connection::make(endpoints_.front(), nullptr);
  http::Reply reply =
      stream->open_stream({"GET", "/leader/events" + query, {}, ""}, boot_now() + timeout);
  if (reply.kind != http::IoKind::ok) return Error{no_answer(where_, reply)};
  if (reply.response.status != 200) return Error{describe(std::move(reply.response))};
  return stream;
}

bool is_done(const Result<http::Response>& answer) { return answer && answer->status / 100 == 2; }

std::string describe(const Result<http::Response>& answer) {
  if (!answer) return answer.error();
  const std::string_view body = trim(answer->body);
  return "the sidecar answered " + std::to_string(answer->status) + " " +
         std::string(http::reason_phrase(answer->status)) +
         (body.empty() ? "" : ": " + printable(body.substr(0, body.find('\n'))));
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || std::string_view("-._~").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out.append("%").append({kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return out;
}

}  // namespace baton::cli
