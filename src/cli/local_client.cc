#include "cli/local_client.h"

#include <algorithm>

#include "base/text.h"
#include "config/rules.h"
#include "config/table.h"

namespace baton::cli {
namespace {

http::Endpoint endpoint_of(const config::Address& address) {
  if (!address.path.empty()) return {"unix:" + address.path, 0, "localhost"};
  const bool is_v6 = address.host.find(':') != std::string::npos;
  const std::string host = !address.wildcard ? address.host : is_v6 ? "::1" : "127.0.0.1";
  const auto port = parse_integer(address.port, 0, 65535).value_or(0);
  return {host, static_cast<std::uint16_t>(port), ""};
}

}  // namespace

Result<LocalClient> LocalClient::make(const Arguments& arguments, const Shell& shell,
                                      std::string_view option, std::string_view standard) {
  const std::string variable = config::variable_of(option.substr(2));
  std::string origin(option);
  std::string text = arguments.get(option);
  if (text.empty()) {
    const auto found = shell.environment.find(variable);
    const bool is_set = found != shell.environment.end() && !found->second.empty();
    text = is_set ? found->second : std::string(standard);
    origin = variable;
  }
  const auto addresses = config::parse_addresses(text);
  if (!addresses) return Error{origin + ": \"" + printable(text) + "\": " + addresses.error()};
  if (addresses->empty()) {
    return Error{origin + ": \"off\": the sidecar does not listen; give the option an address"};
  }
  LocalClient client;
  client.where_ = printable(text);
  for (const auto& address : *addresses) client.endpoints_.push_back(endpoint_of(address));
  return client;
}

Result<LocalClient> LocalClient::local(const Arguments& arguments, const Shell& shell) {
  return make(arguments, shell, "--local-address", config::find_setting("local-address")->standard);
}

http::Reply LocalClient::call(const std::string& method, const std::string& target,
                              const std::string& body, election::Duration timeout) {
  const Instant deadline = boot_now() + timeout;
  const http::Request request = make_request(method, target, body);
  http::Reply reply;
  for (std::size_t tried = 0; tried < endpoints_.size(); ++tried) {
    if (!connection_) connection_ = separate_connection();
    reply = connection_->exchange(request, deadline);
    if (reply.kind != http::IoKind::not_sent) break;
    connection_.reset();
    std::rotate(endpoints_.begin(), endpoints_.begin() + 1, endpoints_.end());
  }
  return reply;
}

std::unique_ptr<http::Connection> LocalClient::separate_connection() const {
  return http::Connection::make(endpoints_.front(), nullptr);
}

std::string describe(const http::Reply& reply, const LocalClient& client) {
  if (reply.kind != http::IoKind::ok) {
    return "no answer from the sidecar at " + client.where() + ": " + reply.what;
  }
  const std::string_view body = trim(reply.response.body);
  return "the sidecar answered " + std::to_string(reply.response.status) + " " +
         std::string(http::reason_phrase(reply.response.status)) +
         (body.empty() ? "" : ": " + printable(body.substr(0, body.find('\n'))));
}

http::Request make_request(const std::string& method, const std::string& target,
                           const std::string& body) {
  http::Request request{method, target, {}, body};
  if (method == "POST") request.headers.emplace_back("Baton-Control", "1");
  if (!body.empty()) request.headers.emplace_back("Content-Type", "application/json");
  return request;
}

std::string percent_encoded(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace baton::cli
