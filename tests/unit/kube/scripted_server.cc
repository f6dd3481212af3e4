#include "unit/kube/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "http/tls.h"

namespace baton::kube {
namespace {

std::string chunk(const std::string& data) {
  std::array<char, 32> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", data.size());
  return size.data() + data + "\r\n";
}

/// Lines, each with its end.
SeenRequest parse_head(const std::string& head) {
  SeenRequest request;
  for (std::size_t at = 0; at < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    const std::string line = head.substr(at, end - at);
    const auto colon = line.find(':');
    if (at == 0) {
      request.line = line;
    } else if (colon != std::string::npos) {
      request.headers.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
    }
    at = end + 2;
  }
  return request;
}

}  // namespace

Answer answer(int status, const std::string& body, const std::string& headers) {
  return {"HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n" +
          headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body};
}

Answer stream(const std::vector<std::string>& lines) {
  std::string bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& line : lines) bytes += chunk(line + "\n");
  return {bytes};
}

Answer ended_stream(const std::vector<std::string>& lines) {
  return {stream(lines).bytes + "0\r\n\r\n"};
}

ScriptedServer::ScriptedServer(const std::string& name) {
  std::signal(SIGPIPE, SIG_IGN);
  const test::IssuedCertificate issued = authority_.issue({"scripted", {name}});
  auto context = http::make_server_context({issued.certificate_pem, issued.key_pem, ""});
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (!context.ok() || bind(listener_, generic, size) != 0 || listen(listener_, 16) != 0 ||
      getsockname(listener_, generic, &size) != 0) {
    std::abort();
  }
  context_.reset(context->release());
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedServer::~ScriptedServer() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
    for (const int descriptor : open_) shutdown(descriptor, SHUT_RDWR);
  }
  acceptor_.join();
  for (std::thread& server : servers_) server.join();
  close(listener_);
}

void ScriptedServer::then(Answer next) {
  const std::lock_guard lock(mutex_);
  script_.push_back(std::move(next));
}

Cluster ScriptedServer::cluster() const {
  Cluster cluster;
  cluster.endpoint = {"127.0.0.1", port_, ""};
  cluster.ca_pem = authority_.pem();
  cluster.token = "secret";
  cluster.source = "scripted";
  return cluster;
}

std::vector<SeenRequest> ScriptedServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

int ScriptedServer::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

void ScriptedServer::wait_for_request(std::size_t number) const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return requests_.size() >= number; });
}

void ScriptedServer::wait_until_closed() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return open_.empty(); });
}

void ScriptedServer::accept_all() {
  for (;;) {
    const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (is_stopping_ || descriptor < 0) {
      if (descriptor >= 0) close(descriptor);
      return;
    }
    open_.insert(descriptor);
    servers_.emplace_back([this, descriptor] { serve(descriptor); });
  }
}

void ScriptedServer::serve(int descriptor) {
  const int no_delay = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof no_delay);
  SSL* ssl = SSL_new(context_.get());
  SSL_set_fd(ssl, descriptor);
  if (SSL_accept(ssl) == 1) answer_all(ssl);
  SSL_free(ssl);
  const std::lock_guard lock(mutex_);
  open_.erase(descriptor);
  close(descriptor);
  changed_.notify_all();
}

void ScriptedServer::answer_all(SSL* ssl) {
  {
    const std::lock_guard lock(mutex_);
    ++connections_;
  }
  std::string buffered;
  while (const std::optional<Answer> next = next_answer(ssl, buffered)) {
    if (!next->bytes.empty()) {
      SSL_write(ssl, next->bytes.data(), static_cast<int>(next->bytes.size()));
    }
    if (next->closes) return;
  }
}

std::optional<Answer> ScriptedServer::next_answer(SSL* ssl, std::string& buffered) {
  std::array<char, 4096> space{};
  for (;;) {
    const auto end = buffered.find("\r\n\r\n");
    if (end != std::string::npos) {
      SeenRequest request = parse_head(buffered.substr(0, end + 2));
      const std::string length_text = request.header("Content-Length");
      const std::size_t length = length_text.empty() ? 0 : std::stoul(length_text);
      if (buffered.size() >= end + 4 + length) {
        request.body = buffered.substr(end + 4, length);
        buffered.erase(0, end + 4 + length);
        const std::lock_guard lock(mutex_);
        requests_.push_back(std::move(request));
        changed_.notify_all();
        // Under the same lock: whoever sees the request may rely on what was scripted for it.
        if (script_.empty()) return Answer{};
        Answer next = std::move(script_.front());
        script_.pop_front();
        return next;
      }
    }
    const int size = SSL_read(ssl, space.data(), static_cast<int>(space.size()));
    if (size <= 0) return {};
    buffered.append(space.data(), static_cast<std::size_t>(size));
  }
}

}  // namespace baton::kube
