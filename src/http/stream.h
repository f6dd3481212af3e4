// A connected socket of any family, plain or with TLS, as Asio sees it: what client and server
// share.
#pragma once

#include <optional>
#include <utility>
// <utility> first: Boost 1.74 misses it under C++20.
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>

namespace baton::http {

namespace asio = boost::asio;
using boost::system::error_code;

/// Reads and writes through `tls` once that is there. One of Asio's AsyncStreams.
struct Stream {
  using Protocol = asio::generic::stream_protocol;
  using Socket = Protocol::socket;
  using executor_type = Socket::executor_type;

  explicit Stream(Socket connected) : socket(std::move(connected)) {}

  executor_type get_executor() { return socket.get_executor(); }
  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    tls ? tls->async_read_some(buffers, std::forward<Handler>(handler))
        : socket.async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    tls ? tls->async_write_some(buffers, std::forward<Handler>(handler))
        : socket.async_write_some(buffers, std::forward<Handler>(handler));
  }

  Socket socket;
  std::optional<asio::ssl::stream<Socket&>> tls;
};

}  // namespace baton::http
