#include "http/message.h"

#include <gtest/gtest.h>

#include "http/parser.h"
#include "http/wire.h"

namespace baton::http {
namespace {

using Query = std::vector<std::pair<std::string, std::string>>;

TEST(Header, IsFoundWithoutCaseAndTheFirstWins) {
  const Headers headers = {{"Host", "a"}, {"X-Y", "1"}, {"x-y", "2"}};
  EXPECT_EQ("1", header(headers, "x-Y"));
  EXPECT_EQ("", header(headers, "X"));
}

TEST(Target, IsSplitAndDecoded) {
  const Target target = parse_target("/a%20b/%C3%A9?x=1&x=%32&flag&p=a+b%2B&&e=&q=a=b");
  ASSERT_TRUE(target.ok);
  EXPECT_EQ("/a b/\u00e9", target.path);
  EXPECT_EQ((Query{{"x", "1"}, {"x", "2"}, {"flag", ""}, {"p", "a b+"}, {"e", ""}, {"q", "a=b"}}),
            target.query);
  EXPECT_EQ("/a+b", parse_target("/a+b").path);
  EXPECT_TRUE(parse_target("/").query.empty());
}

TEST(Target, IsRefusedWhenNotWellFormed) {
  for (const char* text :
       {"", "a", "*", "http://host/", "/%", "/%4", "/%zz", "/?a=%f", "/?%=b", "/a#b",
        // Invalid UTF-8: a lone byte, a cut sequence, overlong forms, a surrogate, too large.
        "/\xff", "/%ff", "/\xc3", "/%c0%af", "/%e0%80%af", "/%ed%a0%80", "/%f4%90%80%80", "/?a=%80",
        "/\xc3(", "/%f0%80%80%80"}) {
    EXPECT_FALSE(parse_target(text).ok) << text;
  }
  EXPECT_TRUE(parse_target("/%f4%8f%bf%bf%ed%9f%bf%e0%a0%80").ok);
}

TEST(Wire, RepliesHaveDateLengthAndNoSmuggledLines) {
  std::string out;
  append_reply({200, {{"X", "a\r\nSet-Cookie: b"}}, "hello"}, {}, out);
  EXPECT_TRUE(out.starts_with("HTTP/1.1 200 OK\r\nDate: ")) << out;
  EXPECT_NE(std::string::npos,
            out.find(" GMT\r\nX: a  Set-Cookie: b\r\nContent-Length: 5\r\n\r\nhello"))
      << out;
  out.clear();
  append_reply({204, {}, ""}, {.keep_alive = false}, out);
  EXPECT_EQ(std::string::npos, out.find("Content-Length"));
  EXPECT_NE(std::string::npos, out.find("Connection: close\r\n\r\n"));
  out.clear();
  append_reply({200, {}, "hello"}, {.head_only = true}, out);
  EXPECT_TRUE(out.ends_with("Content-Length: 5\r\n\r\n")) << out;
}

TEST(Wire, RequestsThatCannotBeSentAsTheyAreAreRefused) {
  EXPECT_FALSE(format_request({"GET", "/a b", {}, ""}, "h").ok());
  EXPECT_FALSE(format_request({"GET", "/", {{"Authorization", "Bearer x\n"}}, ""}, "h").ok());
  EXPECT_FALSE(format_request({"GET", "/", {{"", "x"}}, ""}, "h").ok());
  EXPECT_FALSE(format_request({"", "/", {}, ""}, "h").ok());
  EXPECT_FALSE(format_request({"GET", "/", {}, ""}, "h\r\nX: y").ok());
  const auto bytes = format_request({"PUT", "/x?y", {{"A", "b"}}, "body"}, "h:1");
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ("PUT /x?y HTTP/1.1\r\nHost: h:1\r\nA: b\r\nContent-Length: 4\r\n\r\nbody",
            bytes.value());
}

/// Fed whole and byte by byte, the outcome is the same.
void expect_request(const std::string& text, Parsed expected) {
  for (const std::size_t step : {text.size(), std::size_t{1}}) {
    Parser<true> parser({1000, 10});
    std::string waiting;
    Parsed parsed = Parsed::more;
    for (std::size_t at = 0; at < text.size() && parsed == Parsed::more; at += step) {
      waiting += text.substr(at, step);
      parsed = parser.feed(waiting);
    }
    EXPECT_EQ(expected, parsed) << text.substr(0, 200) << " in steps of " << step;
  }
}

TEST(Parser, JudgesRequests) {
  expect_request("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Parsed::done);
  expect_request("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", Parsed::done);
  expect_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                 Parsed::done);
  expect_request("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", Parsed::more);
  expect_request("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n", Parsed::body_too_large);
  expect_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890",
                 Parsed::body_too_large);
  expect_request("GET /" + std::string(2000, 'a'), Parsed::head_too_large);
  expect_request("GET / HTTP/1.1\r\nA: " + std::string(2000, 'a'), Parsed::head_too_large);
  const std::string head = "GET / HTTP/1.1\r\nA: ";  // 19 bytes, and 4 at the end
  expect_request(head + std::string(1000 - 23, 'a') + "\r\n\r\n", Parsed::done);
  expect_request(head + std::string(1001 - 23, 'a') + "\r\n\r\n", Parsed::head_too_large);
  const std::string chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& text :
       {std::string("GET / HTTP/1.1\nHost: a\n\n"), std::string("GET / HTTP/2.0\r\n\r\n"),
        std::string("GET  / HTTP/1.1\r\n\r\n"), std::string("\x16\x03\x01\x02\x03\r\n"),
        std::string("GET / HTTP/1.1\r\nHost a\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nContent-Length: -2\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        std::string("GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        chunked + "-2\r\nab\r\n", chunked + "zz\r\n", chunked + "ffffffffffffffffff\r\n",
        chunked + "3\r\nabcd\r\n0\r\n\r\n"}) {
    expect_request(text, Parsed::malformed);
  }
}

}  // namespace
}  // namespace baton::http
