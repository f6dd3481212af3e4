// The least that a hand-over through a Lease takes: one release PUT, its watch event, one acquire
// PUT, on warm connections of two clients, over plain OpenSSL. The Lease looks like one of baton's.
//
// usage: bench_floor KUBECONFIG NAMESPACE LEASE
// Each line on standard input is one round, answered by a line with its nanoseconds.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "base/clock.h"
#include "http/tls.h"
#include "kube/cluster.h"

namespace baton {
namespace {

struct SslDelete {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

[[noreturn]] void fail(const std::string& why) {
  std::cerr << "bench_floor: " << why << '\n';
  std::exit(1);
}

/// The value of a string field in compact JSON.
std::string field(const std::string& json, const std::string& name) {
  const std::string mark = "\"" + name + "\":\"";
  const std::size_t found = json.find(mark);
  if (found == std::string::npos) fail("no " + name + " in " + json);
  const std::size_t begin = found + mark.size();
  return json.substr(begin, json.find('"', begin) - begin);
}

/// One connection: blocking, no limits, no deadlines.
class Peer {
 public:
  Peer(const http::Endpoint& endpoint, http::TlsContext& tls) {
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    const int on = 1;
    if (inet_pton(AF_INET, endpoint.host.c_str(), &address.sin_addr) != 1 ||
        connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
      fail("cannot connect to " + endpoint.host + ", which must be an IPv4 address");
    }
    ssl_.reset(SSL_new(tls.native()));
    SSL_set_fd(ssl_.get(), descriptor);
    if (!tls.prepare(ssl_.get(), endpoint.host) || SSL_connect(ssl_.get()) != 1) {
      fail("no TLS with " + endpoint.host);
    }
  }

  void send(const std::string& text) {
    if (SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) <= 0) fail("write");
  }

  /// All that comes, up to and with the mark.
  std::string read_to(const std::string& mark) {
    std::size_t found = 0;
    while ((found = buffer_.find(mark)) == std::string::npos) read_more();
    std::string text = buffer_.substr(0, found + mark.size());
    buffer_.erase(0, text.size());
    return text;
  }

  /// Head and body of an answer, however it is framed.
  std::string answer() {
    const std::string head = read_to("\r\n\r\n");
    const std::string mark = "Content-Length: ";
    const std::size_t found = head.find(mark);
    if (found == std::string::npos) return head + read_to("\r\n0\r\n\r\n");
    const std::size_t size = std::strtoul(head.c_str() + found + mark.size(), nullptr, 10);
    while (buffer_.size() < size) read_more();
    std::string text = head + buffer_.substr(0, size);
    buffer_.erase(0, size);
    return text;
  }

 private:
  void read_more() {
    char data[16384];
    const int size = SSL_read(ssl_.get(), data, sizeof data);
    if (size <= 0) fail("the API server closed a connection");
    buffer_.append(data, static_cast<std::size_t>(size));
  }

  std::unique_ptr<SSL, SslDelete> ssl_;
  std::string buffer_;
};

bool is_status(const std::string& answer, const char* code) {
  return answer.compare(9, 3, code) == 0;  // behind "HTTP/1.1 "
}

class Floor {
 public:
  Floor(kube::Cluster cluster, std::string namespace_name, std::string lease)
      : credentials_(std::move(cluster)),
        namespace_(std::move(namespace_name)),
        lease_(std::move(lease)),
        leaves_(connect()),
        watches_(connect()),
        comes_(connect()) {
    comes_.send(request("GET", "/" + lease_, ""));
    std::string answer = comes_.answer();
    if (is_status(answer, "404")) {
      leaves_.send(put("leaves", ""));
      answer = leaves_.answer();
    }
    if (!is_status(answer, "200") && !is_status(answer, "201")) fail("no Lease: " + answer);
    uid_ = field(answer, "uid");
    version_ = field(answer, "resourceVersion");
    watches_.send(request("GET",
                          "?watch=true&fieldSelector=metadata.name%3D" + lease_ +
                              "&timeoutSeconds=7200&resourceVersion=" + version_,
                          ""));
    watches_.read_to("\r\n\r\n");
  }

  Duration round() {
    const Instant begin = boot_now();
    leaves_.send(put("", version_));
    const std::string released = watches_.read_to("}\n");
    comes_.send(put("comes", field(released, "resourceVersion")));
    const std::string acquired = comes_.answer();
    const Instant end = boot_now();
    if (!is_status(acquired, "200")) fail("not acquired: " + acquired);
    version_ = field(acquired, "resourceVersion");
    leaves_.answer();
    watches_.read_to("}\n");
    return end - begin;
  }

 private:
  Peer connect() {
    auto tls = credentials_.tls();
    if (!tls) fail(tls.error());
    return {credentials_.cluster().endpoint, **tls};
  }

  std::string request(const std::string& method, const std::string& rest, const std::string& body) {
    return method + " /apis/coordination.k8s.io/v1/namespaces/" + namespace_ + "/leases" + rest +
           " HTTP/1.1\r\nHost: " + credentials_.cluster().endpoint.authority +
           "\r\nAccept: application/json\r\nAuthorization: Bearer " + credentials_.bearer() +
           (body.empty() ? "" : "\r\nContent-Type: application/json") +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  std::string put(const std::string& holder, const std::string& version) {
    const std::string now = wall_now_micro();
    const std::string identity = holder.empty() ? "" : holder + "_0b1f6a52_0123456789abcdef";
    const std::string term = "a0b1c2d3e4f5061728394a5b6c7d8e9f";
    return request(
        "PUT", "/" + lease_ + "?fieldManager=baton&timeout=2s",
        R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":")" + lease_ +
            R"(","namespace":")" + namespace_ +
            (version.empty() ? "" : R"(","uid":")" + uid_ + R"(","resourceVersion":")" + version) +
            R"(","annotations":{"baton/attempt":")" + term + R"(","baton/duration":"15",)" +
            R"("baton/fencing-token":"1","baton/format":"1","baton/holder":")" + identity +
            R"(","baton/incarnation":"","baton/released":")" + term + R"(/1","baton/term":")" +
            term + R"("}},"spec":{"holderIdentity":")" + identity + R"(","acquireTime":")" + now +
            R"(","renewTime":")" + now + R"(","leaseDurationSeconds":15,"leaseTransitions":1}})");
  }

  kube::Credentials credentials_;
  const std::string namespace_, lease_;
  Peer leaves_, watches_, comes_;  // one client has the first, the other one the rest
  std::string uid_, version_;
};

int run(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: bench_floor KUBECONFIG NAMESPACE LEASE\n";
    return 2;
  }
  auto cluster = kube::from_kubeconfig(argv[1], "");
  if (!cluster) fail(cluster.error());
  Floor floor(std::move(cluster).value(), argv[2], argv[3]);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << floor.round().count() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace baton

int main(int argc, char** argv) { return baton::run(argc, argv); }
