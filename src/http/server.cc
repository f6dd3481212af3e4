#include "http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "http/session.h"
#include "http/sockets.h"
#include "http/stream.h"
#include "http/tls.h"

namespace baton::http {
namespace {

constexpr auto kAcceptBackOff = std::chrono::milliseconds(100);
constexpr int kAcceptsPerTurn = 64;

class ServerImpl final : public Server {
 public:
  ServerImpl(const ServerOptions& options, Handler handler, BoundSocket bound, SslContext tls)
      : bound_(std::move(bound)),
        // Deadlines are kept to a quarter of theirs.
        sweep_period_(std::clamp<election::Duration>(
            std::min(options.limits.request_timeout, options.limits.idle_timeout) / 4,
            std::chrono::milliseconds(5), std::chrono::milliseconds(250))) {
    host_.limits = options.limits;
    host_.handler = std::move(handler);
    host_.is_unix = !bound_.unix_path.empty();
    if (tls) tls_.emplace(tls.release());
    listener_.assign(bound_.descriptor);
  }
  ~ServerImpl() override { stop(); }

  void start() override {
    asio::post(io_, [this] { accept(); });
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the main thread
    thread_ = named_thread("listener", [this] { io_.run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void stop() override {
    if (thread_.joinable()) {
      asio::post(io_, [this] { shut_down(); });
      thread_.join();
    } else if (!io_.stopped()) {
      shut_down();
    }
  }

  void post(std::function<void()> work) override { asio::post(io_, std::move(work)); }
  asio::io_context& context() override { return io_; }

  std::function<void()> after(election::Duration delay, std::function<void()> work) override {
    struct Timer {
      asio::steady_timer timer;
      std::function<void()> work;  // null once canceled or begun
    };
    const auto timer =
        std::make_shared<Timer>(Timer{asio::steady_timer(io_, delay), std::move(work)});
    timer->timer.async_wait([timer](const error_code&) {
      if (const auto due = std::exchange(timer->work, nullptr)) due();
    });
    return [weak = std::weak_ptr(timer)] {
      const auto alive = weak.lock();
      if (!alive) return;
      alive->work = nullptr;
      alive->timer.cancel();
    };
  }

  bool try_hold(Exchange& exchange) override { return Session::try_hold(host_, exchange); }
  std::string address() const override { return bound_.address; }
  int open_connections() const override { return host_.open; }

 private:
  /// Nothing that waits in io_ runs after this.
  void shut_down() {
    error_code ignored;
    listener_.close(ignored);
    if (host_.is_unix) unlink(bound_.unix_path.c_str());
    while (!host_.sessions.empty()) host_.sessions.front()->end(false);
    io_.stop();
  }

  void accept() {
    listener_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [this](const error_code& error) {
                           if (!error) accept_ready();
                         });
  }

  void accept_ready() {
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

  void admit(int descriptor) {
    Stream::Socket socket(io_);
    error_code error;
    if (socket.assign(Stream::Protocol(bound_.family, 0), descriptor, error)) {
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
    Session::start(host_, std::move(socket), tls_ ? &*tls_ : nullptr);
    if (!std::exchange(is_sweeping_, true)) sweep();
  }

  /// One timer for the deadlines of all connections: a timer for each request would cost a tenth of
  /// the throughput.
  void sweep() {
    sweep_timer_.expires_after(sweep_period_);
    sweep_timer_.async_wait([this](const error_code&) {
      is_sweeping_ = !host_.sessions.empty();
      if (!is_sweeping_) return;
      const Instant now = boot_now();
      const std::vector sessions(host_.sessions.begin(), host_.sessions.end());
      for (const auto& session : sessions) {
        if (session->is_late(now)) session->expire();
      }
      sweep();
    });
  }

  const BoundSocket bound_;
  const election::Duration sweep_period_;
  std::thread thread_;

  // The server's thread's, once started. The sessions' host outlives the work left in io_.
  SessionHost host_;
  asio::io_context io_{1};
  const asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::optional<asio::ssl::context> tls_;
  asio::posix::stream_descriptor listener_{io_};
  asio::steady_timer accept_again_{io_};
  asio::steady_timer sweep_timer_{io_};
  bool is_sweeping_ = false;
};

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
