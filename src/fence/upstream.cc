#include "fence/upstream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/algorithm/string/predicate.hpp>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "http/answer.h"
#include "http/sockets.h"
#include "http/stream.h"
#include "http/wire.h"

namespace baton::fence {
namespace {

namespace asio = boost::asio;
using http::error_code;
using http::Failure;
using http::IoKind;

// Servers close a connection that is idle for long (Node after 5 s); a request that is sent just
// then would have an unknown outcome.
constexpr auto kKeepIdle = std::chrono::seconds(4);

constexpr std::string_view kOfOneConnection[] = {
    "Connection", "Keep-Alive", "Proxy-Connection", "TE",   "Trailer",       "Transfer-Encoding",
    "Upgrade",    "Expect",     "Content-Length",   "Host", "HTTP2-Settings"};

/// Whether one of the comma-separated names in `list` is `name`.
bool names(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (boost::iequals(trim(list.substr(0, comma)), name)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

}  // namespace

http::Headers end_to_end(const http::Headers& headers) {
  http::Headers kept;
  for (const auto& header : headers) {
    const bool is_of_one = std::ranges::any_of(
        kOfOneConnection, [&](auto name) { return boost::iequals(name, header.first); });
    const bool is_named = std::ranges::any_of(headers, [&](const auto& other) {
      return boost::iequals(other.first, "Connection") && names(other.second, header.first);
    });
    if (!is_of_one && !is_named) kept.push_back(header);
  }
  return kept;
}

namespace {

class Sender;

/// A connection to the service.
struct Link {
  Link(http::Stream::Socket socket, const std::string& peer)
      : stream(std::move(socket)), answer(peer, {}) {}
  ~Link() { stream.close(); }

  http::Stream stream;
  http::Answer answer;
  std::array<char, 16384> space;
  Sender* user = nullptr;  // whose request is on it
  Instant used = kLongAgo;
};

/// All of it but send() is the server's thread's.
class UpstreamImpl final : public Upstream {
 public:
  UpstreamImpl(asio::io_context& io, http::Endpoint endpoint, std::shared_ptr<Trust> trust,
               Duration timeout)
      : endpoint_(std::move(endpoint)),
        name_(name_of(endpoint_)),
        trust_(std::move(trust)),
        timeout_(timeout),
        io_(io) {
    self_->upstream = this;
  }
  ~UpstreamImpl() override {
    const std::lock_guard lock(self_->mutex);
    self_->upstream = nullptr;
  }

  std::shared_ptr<Sending> send(http::Request request,
                                std::function<void(http::Reply)> done) override;

 private:
  friend class Sender;
  // For a resolver's thread, which may outlive the upstream.
  struct Self {
    std::mutex mutex;
    UpstreamImpl* upstream = nullptr;
  };

  std::shared_ptr<Link> take_idle();
  void keep(std::shared_ptr<Link> link);
  void read(const std::shared_ptr<Link>& link);
  void resolve(std::weak_ptr<Sender> sender);
  void resolved(const http::Resolved& result);

  const http::Endpoint endpoint_;
  const std::string name_;  // for errors
  const std::shared_ptr<Trust> trust_;
  const Duration timeout_;
  asio::io_context& io_;
  const std::shared_ptr<Self> self_ = std::make_shared<Self>();
  std::vector<std::shared_ptr<Link>> idle_;        // the one used last at the end
  std::vector<std::weak_ptr<Sender>> to_resolve_;  // wait for one look-up
};

class Sender final : public Sending, public std::enable_shared_from_this<Sender> {
 public:
  Sender(UpstreamImpl& upstream, http::Request request, std::function<void(http::Reply)> done)
      : upstream_(upstream),
        request_(std::move(request)),
        done_(std::move(done)),
        deadline_(boot_now() + upstream.timeout_),
        timer_(upstream.io_) {}

  void cut() override {
    asio::post(upstream_.io_, [self = shared_from_this()] {
      self->fail({IoKind::canceled, self->doing_ + ": canceled"});
    });
  }

  void begin() {
    Result<std::string> bytes = format_request(request_, authority_of(upstream_.endpoint_));
    if (!bytes.ok()) return fail({IoKind::not_sent, bytes.error()});
    bytes_ = std::move(bytes).value();
    wait(deadline_);
    link_ = upstream_.take_idle();
    if (link_) return write();
    const http::Endpoint& endpoint = upstream_.endpoint_;
    http::SocketAddress address;
    if (http::literal_address(endpoint.host, endpoint.port, address)) return connect({address});
    doing_ = "connect " + upstream_.name_;
    if (endpoint.host.starts_with("unix:")) {
      return fail({IoKind::not_sent, doing_ + ": a socket's path has 1 to 107 bytes"});
    }
    doing_ = "resolve " + endpoint.host;
    upstream_.resolve(weak_from_this());
  }

  void on_resolved(const http::Resolved& result) {
    if (!done_) return;
    if (!result.ok()) return fail({IoKind::not_sent, result.error()});
    connect(*result);
  }

  void on_read(const error_code& error, std::size_t size) {
    http::Answer& answer = link_->answer;
    const Failure failure = !error ? answer.feed({link_->space.data(), size})
                            : error == asio::error::eof
                                ? answer.feed_end()
                                : Failure{kind_, doing_ + ": " + http::text_of(error)};
    if (failure) return fail(failure);
    if (!answer.is_done()) return upstream_.read(link_);
    http::Reply reply{.kind = IoKind::ok, .what = "", .response = answer.take_head()};
    reply.response.body = answer.take_body();
    if (context_) {
      context_->remember(link_->stream.tls->native_handle(), upstream_.endpoint_.host);
    }
    link_->user = nullptr;
    if (!error && is_written_ && answer.keeps_alive())
      upstream_.keep(std::exchange(link_, nullptr));
    finish(std::move(reply));
  }

 private:
  /// A handler of what is done on the present connection.
  template <typename Next>
  auto then(Next next) {
    return
        [self = shared_from_this(), link = link_, next](const error_code& error, std::size_t = 0) {
          if (self->link_ != link) return;  // given up meanwhile
          if (error) return self->on_error(self->doing_ + ": " + http::text_of(error));
          next();
        };
  }

  void connect(std::vector<http::SocketAddress> addresses) {
    addresses_ = std::move(addresses);
    connect_to_next();
  }

  void connect_to_next() {
    drop();
    doing_ = "connect " + upstream_.name_;
    // Each address gets its share of the time, so that a silent one leaves some to the next.
    const Instant now = boot_now();
    const auto left = static_cast<std::int64_t>(addresses_.size() - next_address_);
    wait(now + (deadline_ - now) / left);
    const http::SocketAddress& address = addresses_[next_address_++];
    const Result<int> opened = http::open_client_socket(address);
    if (!opened.ok()) return on_error(doing_ + ": " + opened.error());
    http::Stream::Socket socket(upstream_.io_);
    error_code error;
    if (socket.assign(http::Stream::Protocol(address.storage.ss_family, 0), *opened, error)) {
      ::close(*opened);
      return on_error(doing_ + ": " + error.message());
    }
    link_ = std::make_shared<Link>(std::move(socket), upstream_.name_);
    const http::Stream::Protocol::endpoint peer(&address.storage, address.length);
    link_->stream.socket.async_connect(peer, then([this] { connected(); }));
  }

  void connected() {
    next_address_ = addresses_.size();
    wait(deadline_);
    if (!upstream_.trust_) return first_write();
    doing_ = "TLS with " + upstream_.name_;
    context_ = upstream_.trust_->context();
    const std::string& host = upstream_.endpoint_.host;
    if (!link_->stream.begin_tls(*context_, host)) {
      return on_error(doing_ + ": not a server name: " + host);
    }
    link_->stream.tls->async_handshake(asio::ssl::stream_base::client,
                                       then([this] { first_write(); }));
  }

  void first_write() {
    upstream_.read(link_);
    write();
  }

  void write() {
    kind_ = IoKind::unknown;
    doing_ = "write to " + upstream_.name_;
    link_->user = this;
    link_->answer.expect(request_.method == "HEAD");
    asio::async_write(link_->stream, asio::buffer(bytes_), then([this] {
                        is_written_ = true;
                        doing_ = "read from " + upstream_.name_;
                      }));
  }

  void wait(Instant until) {
    until_ = until;
    timer_.expires_after(until - boot_now());
    timer_.async_wait([self = shared_from_this()](const error_code& error) {
      if (error || !self->done_ || boot_now() < self->until_) return;
      self->on_error(self->doing_ + ": deadline exceeded");
    });
  }

  void on_error(const std::string& what) {
    if (next_address_ < addresses_.size()) return connect_to_next();
    const bool is_handshake = context_ && kind_ == IoKind::not_sent;
    const std::string refusal =
        is_handshake ? context_->explain_failure(link_->stream.tls->native_handle()) : "";
    fail({kind_, refusal.empty() ? what : doing_ + ": " + refusal});
  }

  void fail(const Failure& failure) {
    if (done_) finish({.kind = failure.kind, .what = failure.what, .response = {}});
  }

  void finish(http::Reply reply) {
    drop();
    timer_.cancel();
    asio::post(upstream_.io_, [done = std::exchange(done_, nullptr),
                               reply = std::move(reply)]() mutable { done(std::move(reply)); });
  }

  void drop() {
    if (!link_) return;
    link_->user = nullptr;
    link_->stream.close();
    link_.reset();
  }

  UpstreamImpl& upstream_;
  const http::Request request_;
  std::function<void(http::Reply)> done_;  // null once there is an answer
  const Instant deadline_;

  // The server's thread's.
  std::string bytes_;
  IoKind kind_ = IoKind::not_sent;  // of what fails now
  std::string doing_;
  asio::steady_timer timer_;
  Instant until_ = kNever;
  std::vector<http::SocketAddress> addresses_;
  std::size_t next_address_ = 0;
  std::shared_ptr<Link> link_;
  std::shared_ptr<http::TlsContext> context_;  // of a connection that was made for this
  bool is_written_ = false;
};

std::shared_ptr<Sending> UpstreamImpl::send(http::Request request,
                                            std::function<void(http::Reply)> done) {
  const auto sender = std::make_shared<Sender>(*this, std::move(request), std::move(done));
  asio::dispatch(io_, [sender] { sender->begin(); });
  return sender;
}

std::shared_ptr<Link> UpstreamImpl::take_idle() {
  while (!idle_.empty()) {
    std::shared_ptr<Link> link = std::move(idle_.back());
    idle_.pop_back();
    // It may have been closed since the poller was asked last.
    char byte;
    const bool is_closed =
        recv(link->stream.socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    if (!is_closed && boot_now() - link->used <= kKeepIdle) return link;
    link->stream.close();
  }
  return nullptr;
}

void UpstreamImpl::keep(std::shared_ptr<Link> link) {
  link->used = boot_now();
  read(link);
  idle_.push_back(std::move(link));
}

/// One read is always pending, so that the peer's end is seen at once.
void UpstreamImpl::read(const std::shared_ptr<Link>& link) {
  link->stream.async_read_some(
      asio::buffer(link->space), [this, link](const error_code& error, std::size_t size) {
        if (link->user != nullptr) return link->user->on_read(error, size);
        link->stream.close();  // the peer has, or says what nobody asked for
        std::erase(idle_, link);
      });
}

void UpstreamImpl::resolve(std::weak_ptr<Sender> sender) {
  to_resolve_.push_back(std::move(sender));
  if (to_resolve_.size() > 1) return;
  http::resolve(endpoint_.host, endpoint_.port, [self = self_](http::Resolved result) {
    const std::lock_guard lock(self->mutex);
    UpstreamImpl* const upstream = self->upstream;
    if (upstream == nullptr) return;
    asio::post(upstream->io_,
               [upstream, result = std::move(result)] { upstream->resolved(result); });
  });
}

void UpstreamImpl::resolved(const http::Resolved& result) {
  for (const auto& waiting : std::exchange(to_resolve_, {})) {
    if (const auto sender = waiting.lock()) sender->on_resolved(result);
  }
}

}  // namespace

std::unique_ptr<Upstream> Upstream::make(http::Server& server, http::Endpoint endpoint,
                                         std::shared_ptr<Trust> trust, Duration timeout) {
  return std::make_unique<UpstreamImpl>(server.context(), std::move(endpoint), std::move(trust),
                                        timeout);
}

}  // namespace baton::fence
