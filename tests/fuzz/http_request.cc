// A connection of the listeners: requests in, whole and in pieces, through a real socket pair.
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "fuzz/target.h"
#include "http/session.h"

namespace baton::fuzz {
namespace {

using http::Exchange;
using http::Request;

constexpr http::ServerLimits kServerLimits{.connections = 4,
                                           .waiters = 2,
                                           .header_bytes = 1024,
                                           .body_bytes = 256,
                                           .stream_backlog_bytes = 4096};

bool is_same(const Request& one, const Request& other) {
  return one.method == other.method && one.target == other.target && one.headers == other.headers &&
         one.body == other.body;
}

/// One connection, its peer and what the handler does: /hold waits for the next piece, /stream
/// streams, /throw throws, everything else is echoed.
class Line {
 public:
  Line() {
    host_.limits = kServerLimits;
    host_.handler = [this](const std::shared_ptr<Exchange>& exchange) { handle(exchange); };
    std::array<int, 2> ends{};
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0,
            "a socket pair is to be had");
    peer_ = ends[0];
    http::Stream::Socket socket(io_);
    socket.assign(http::Stream::Protocol(AF_UNIX, 0), ends[1]);
    http::Session::start(host_, std::move(socket), nullptr);
  }
  ~Line() { ::close(peer_); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void say(std::string_view piece) {
    for (const auto& exchange : std::exchange(held_, {})) exchange->reply({});
    if (::send(peer_, piece.data(), piece.size(), MSG_NOSIGNAL) < 0) return;  // it has closed
    turn();
  }
  /// Closes our half; the session must come to its end by itself or by its deadlines.
  void finish() {
    shutdown(peer_, SHUT_WR);
    turn();
    held_.clear();
    for (int deadlines = 0; deadlines < 4 && !host_.sessions.empty(); ++deadlines) {
      const auto session = host_.sessions.front();
      session->expire();
      turn();
    }
    require(host_.sessions.empty() && host_.open == 0, "a session ends at its deadlines");
    require(*host_.held == 0, "no place is held when the session has ended");
  }

  const std::vector<Request>& requests() const { return requests_; }
  const std::string& answers() const { return answers_; }

 private:
  void turn() {
    std::array<char, 4096> space;
    for (ssize_t size = 1; size > 0;) {
      io_.restart();
      io_.poll();
      size = ::recv(peer_, space.data(), space.size(), 0);
      if (size > 0) answers_.append(space.data(), static_cast<std::size_t>(size));
    }
  }

  void handle(const std::shared_ptr<Exchange>& exchange) {
    const Request& request = exchange->request();
    requests_.push_back(request);
    require(!request.method.empty() && request.target.starts_with('/'),
            "a handler sees a method and a path");
    require(exchange->target().ok, "a handler sees well-formed targets only");
    require(request.body.size() <= kServerLimits.body_bytes, "no body is larger than the limit");
    const std::string& path = exchange->target().path;
    if (path == "/hold" && http::Session::try_hold(host_, *exchange)) {
      held_.push_back(exchange);
    } else if (path == "/stream") {
      exchange->start_stream({});
      exchange->write("first\n");
      exchange->write(request.body);
      exchange->close();
    } else if (path == "/throw") {
      throw std::runtime_error("as asked");
    } else if (path != "/cut") {
      exchange->reply({200, {{"Echo", request.target}}, request.body});
    }
  }

  http::asio::io_context io_{1};
  http::SessionHost host_;
  int peer_ = -1;
  std::vector<std::shared_ptr<Exchange>> held_;
  std::vector<Request> requests_;
  std::string answers_;
};

/// What the server says is well-formed to our own client's parser.
void check_answers(std::string answers, const std::vector<Request>& requests) {
  for (std::size_t i = 0; !answers.empty(); ++i) {
    const bool is_head = i < requests.size() && requests[i].method == "HEAD";
    http::Parser<false> parser({65536, 65536}, is_head);
    const http::Parsed parsed = parser.feed(answers);
    const bool is_whole = parsed == http::Parsed::done;
    require(is_whole || parsed == http::Parsed::more, "every answer is well-formed HTTP/1.1");
    if (!is_whole) return;  // a body that ends with the connection
    if (parser.status < 200) --i;
  }
}

}  // namespace

BATON_FUZZ_TARGET(http_request) {
  Choices choices(input);
  const std::size_t piece = 1 + choices.pick(64);
  const std::string_view bytes = choices.rest();

  Line whole;
  whole.say(bytes);
  whole.finish();
  check_answers(whole.answers(), whole.requests());

  Line pieces;
  for (std::size_t at = 0; at < bytes.size(); at += piece) pieces.say(bytes.substr(at, piece));
  pieces.finish();
  check_answers(pieces.answers(), pieces.requests());
  const std::size_t common = std::min(whole.requests().size(), pieces.requests().size());
  for (std::size_t i = 0; i < common; ++i) {
    require(is_same(whole.requests()[i], pieces.requests()[i]),
            "a request reads the same in one piece and in many");
  }
}

}  // namespace baton::fuzz
