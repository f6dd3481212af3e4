#include "http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>
#include <set>
#include <thread>
#include <utility>
// <utility> first: Boost 1.74 misses it under C++20.
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>

#include "http/session.h"
#include "http/sockets.h"
#include "http/tls.h"

namespace baton::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Protocol = asio::generic::stream_protocol;
using Socket = Protocol::socket;

constexpr auto kAcceptBackOff = std::chrono::milliseconds(100);
constexpr int kAcceptsPerTurn = 64;

class AsioTransport final : public Transport {
 public:
  AsioTransport(Socket socket, asio::ssl::context* tls) : socket_(std::move(socket)) {
    if (tls != nullptr) tls_.emplace(socket_, *tls);
  }

  void handshake(std::shared_ptr<Session> session) override {
    if (!tls_) return session->on_handshake(true);
    tls_->async_handshake(asio::ssl::stream_base::server,
                          [session](const error_code& error) { session->on_handshake(!error); });
  }
  void read(std::shared_ptr<Session> session, char* space, std::size_t size) override {
    start([&](auto& stream) {
      stream.async_read_some(
          asio::buffer(space, size),
          [session = std::move(session)](const error_code& error, std::size_t got) {
            session->on_read(!error                      ? Session::Input::data
                             : error == asio::error::eof ? Session::Input::end
                                                         : Session::Input::broken,
                             got);
          });
    });
  }
  bool write_now(std::string_view data, std::size_t& taken) override {
    if (tls_ || data.empty()) return true;
    error_code error;
    taken = socket_.write_some(asio::buffer(data), error);
    return !error || error == asio::error::would_block;
  }
  void write(std::shared_ptr<Session> session, std::string_view data) override {
    start([&](auto& stream) {
      stream.async_write_some(asio::buffer(data), [session = std::move(session)](
                                                      const error_code& error, std::size_t taken) {
        session->on_written(!error, taken);
      });
    });
  }
  void end_output() override {
    error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
  }
  void close() override {
    error_code ignored;
    socket_.close(ignored);
  }
  void post(std::function<void()> work) override {
    asio::post(socket_.get_executor(), std::move(work));
  }

 private:
  template <typename Operation>
  void start(const Operation& operation) {
    tls_ ? operation(*tls_) : operation(socket_);
  }

  Socket socket_;
  std::optional<asio::ssl::stream<Socket&>> tls_;
};

class ServerImpl final : public Server {
 public:
  ServerImpl(const ServerOptions& options, Handler handler, BoundSocket bound, SslContext tls);
  ~ServerImpl() override { stop(); }

  void start() override;
  void stop() override;
  void post(std::function<void()> work) override;
  std::function<void()> after(election::Duration delay, std::function<void()> work) override;
  bool try_hold(Exchange& exchange) override {
    return static_cast<ExchangeImpl&>(exchange).hold(held_, host_.limits.waiters);
  }
  std::string address() const override { return bound_.address; }
  int open_connections() const override { return host_.open; }

 private:
  struct Timer {
    asio::steady_timer timer;
    bool is_canceled = false;
  };

  void accept();
  void accept_ready();
  void admit(int descriptor);
  void sweep();
  void shut_down();

  const BoundSocket bound_;
  const election::Duration sweep_period_;
  std::thread thread_;
  asio::io_context io_{1};

  // The server's thread's, once started.
  SessionHost host_;
  std::shared_ptr<int> held_ = std::make_shared<int>(0);
  std::optional<asio::ssl::context> tls_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  asio::posix::stream_descriptor listener_{io_};
  asio::steady_timer accept_again_{io_};
  asio::steady_timer sweep_timer_{io_};
  bool is_sweeping_ = false;
  bool is_stopping_ = false;
  std::set<std::shared_ptr<Timer>> timers_;
};

ServerImpl::ServerImpl(const ServerOptions& options, Handler handler, BoundSocket bound,
                       SslContext tls)
    : bound_(std::move(bound)),
      // Deadlines are kept to a quarter of theirs.
      sweep_period_(std::clamp<election::Duration>(
          std::min(options.limits.request_timeout, options.limits.idle_timeout) / 4,
          std::chrono::milliseconds(5), std::chrono::milliseconds(250))),
      work_(io_.get_executor()) {
  host_.limits = options.limits;
  host_.handler = std::move(handler);
  host_.is_unix = !bound_.unix_path.empty();
  if (tls) tls_.emplace(tls.release());
  listener_.assign(bound_.descriptor);
}

void ServerImpl::start() {
  asio::post(io_, [this] { accept(); });
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the main thread
  thread_ = std::thread([this] { io_.run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void ServerImpl::stop() {
  if (thread_.joinable()) {
    asio::post(io_, [this] { shut_down(); });
    thread_.join();
  } else if (!is_stopping_) {
    shut_down();
  }
}

void ServerImpl::shut_down() {
  is_stopping_ = true;
  error_code ignored;
  listener_.close(ignored);
  if (!bound_.unix_path.empty()) unlink(bound_.unix_path.c_str());
  accept_again_.cancel();
  sweep_timer_.cancel();
  for (const auto& timer : timers_) timer->timer.cancel();
  while (!host_.sessions.empty()) host_.sessions.front()->end(false);
  work_.reset();  // run() ends when the canceled operations have
}

void ServerImpl::post(std::function<void()> work) {
  asio::post(io_, [this, work = std::move(work)] {
    if (!is_stopping_) work();
  });
}

std::function<void()> ServerImpl::after(election::Duration delay, std::function<void()> work) {
  if (is_stopping_) return [] {};
  auto timer = std::make_shared<Timer>(Timer{asio::steady_timer(io_, delay)});
  timers_.insert(timer);
  timer->timer.async_wait([this, timer, work = std::move(work)](const error_code&) {
    timers_.erase(timer);
    if (!timer->is_canceled && !is_stopping_) work();
  });
  return [weak = std::weak_ptr<Timer>(timer)] {
    if (const auto alive = weak.lock()) {
      alive->is_canceled = true;
      alive->timer.cancel();
    }
  };
}

void ServerImpl::accept() {
  if (is_stopping_) return;
  listener_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const error_code& error) {
    if (!error && !is_stopping_) accept_ready();
  });
}

void ServerImpl::accept_ready() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const int descriptor =
        accept4(bound_.descriptor, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor >= 0) {
      admit(descriptor);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // The listener stays readable, so asking again at once would spin.
      accept_again_.expires_after(kAcceptBackOff);
      accept_again_.async_wait([this](const error_code&) { accept(); });
      return;
    }  // else this one connection failed
  }
  accept();
}

void ServerImpl::admit(int descriptor) {
  Socket socket(io_);
  error_code error;
  if (socket.assign(Protocol(bound_.family, 0), descriptor, error)) {
    ::close(descriptor);
    return;
  }
  socket.non_blocking(true, error);
  if (!host_.is_unix) {
    const int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (std::cmp_greater_equal(host_.sessions.size(), host_.limits.connections)) {
    const auto rank = [](const auto& session) { return session->eviction_rank(); };
    const auto first = std::ranges::min_element(host_.sessions, {}, rank);
    if (first == host_.sessions.end() || rank(*first) == Session::kStays) return;
    (*first)->end(false);
  }
  Session::start(host_,
                 std::make_unique<AsioTransport>(std::move(socket), tls_ ? &*tls_ : nullptr));
  if (!std::exchange(is_sweeping_, true)) sweep();
}

/// One timer for the deadlines of all connections: a timer for each request would cost a tenth of
/// the throughput.
void ServerImpl::sweep() {
  sweep_timer_.expires_after(sweep_period_);
  sweep_timer_.async_wait([this](const error_code&) {
    is_sweeping_ = !is_stopping_ && !host_.sessions.empty();
    if (!is_sweeping_) return;
    const Instant now = boot_now();
    std::vector<std::shared_ptr<Session>> late;
    std::copy_if(host_.sessions.begin(), host_.sessions.end(), std::back_inserter(late),
                 [&](const auto& session) { return session->is_late(now); });
    for (const auto& session : late) session->expire();
    sweep();
  });
}

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(const ServerOptions& options, Handler handler) {
  SslContext tls;
  if (options.tls) {
    Result<SslContext> made = make_server_context(*options.tls);
    if (!made.ok()) return Error{made.error()};
    tls = std::move(made).value();
  }
  Result<BoundSocket> bound = bind_and_listen(options.address);
  if (!bound.ok()) return Error{bound.error()};
  return std::unique_ptr<Server>(std::make_unique<ServerImpl>(
      options, std::move(handler), std::move(bound).value(), std::move(tls)));
}

}  // namespace baton::http
