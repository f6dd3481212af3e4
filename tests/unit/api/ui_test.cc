// GET /ui and what feeds it: one page that runs nothing foreign, and a stream that is no answer.
#include "api/ui.h"

#include <openssl/evp.h>

#include <regex>

#include "api/waiters.h"
#include "local_api_fixture.h"

namespace baton::api {
namespace {

const std::string& page() {
  static const std::string text(kUiHtml);
  return text;
}

std::size_t count(const std::string& pattern) {
  const std::regex wanted(pattern, std::regex::icase);
  return static_cast<std::size_t>(
      std::distance(std::sregex_iterator(page().begin(), page().end(), wanted), {}));
}

/// A constant of the page's script.
int constant(const std::string& name) {
  std::smatch found;
  const bool is_there =
      std::regex_search(page(), found, std::regex("const " + name + " = ([0-9]+);"));
  EXPECT_TRUE(is_there) << name;
  return is_there ? std::stoi(found[1]) : 0;
}

std::string between(const std::string& from, const std::string& to) {
  const std::size_t start = page().find(from) + from.size();
  return page().substr(start, page().find(to) - start);
}

std::string sha256_base64(const std::string& text) {
  unsigned char digest[32];
  unsigned char encoded[45];
  EVP_Digest(text.data(), text.size(), digest, nullptr, EVP_sha256(), nullptr);
  EVP_EncodeBlock(encoded, digest, sizeof digest);
  return reinterpret_cast<const char*>(encoded);
}

class UiTest : public ApiTest {};

TEST_F(UiTest, OnePageWithNothingFromOutside) {
  const Exchange answer = get("/ui");
  EXPECT_EQ(answer->answer.status, 200);
  EXPECT_EQ(answer->answer.body, page());
  EXPECT_TRUE(page().starts_with("<!doctype html>"));
  EXPECT_TRUE(page().ends_with("</html>\n"));
  EXPECT_LT(page().size(), 40U * 1024);
  EXPECT_EQ(count("<script"), 1U);
  EXPECT_EQ(count("<style"), 1U);
  EXPECT_EQ(count("<(link|img|iframe|object|embed|form|base)|@import|url\\(| src="), 0U);
  EXPECT_EQ(count(" style=| on[a-z]+=\""), 0U) << "the policy would refuse it";
  EXPECT_EQ(count("innerHTML|eval\\(|hold="), 0U);
}

TEST_F(UiTest, ABrowserRunsNothingElseOnIt) {
  const Exchange answer = get("/ui");
  EXPECT_EQ(header(answer, "Content-Security-Policy"),
            "default-src 'none'; connect-src 'self'; script-src 'sha256-" +
                sha256_base64(between("<script>", "</script>")) + "'; style-src 'sha256-" +
                sha256_base64(between("<style>", "</style>")) +
                "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                "require-trusted-types-for 'script'");
  EXPECT_EQ(header(answer, "Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(header(answer, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(header(answer, "Referrer-Policy"), "no-referrer");
  EXPECT_EQ(header(answer, "Cross-Origin-Opener-Policy"), "same-origin");
  EXPECT_EQ(header(answer, "Cross-Origin-Resource-Policy"), "same-origin");
  EXPECT_EQ(header(answer, "Cache-Control"), "no-store");
}

TEST_F(UiTest, IsReadOnly) {
  EXPECT_EQ(get("/ui", "HEAD")->answer.status, 200);
  EXPECT_EQ(header(post("/ui"), "Allow"), "GET, HEAD");
  EXPECT_EQ(header(post("/ui/events"), "Allow"), "GET");
  EXPECT_EQ(get("/ui/events", "HEAD")->answer.status, 405);
  EXPECT_EQ(get("/ui/events?hold=true")->answer.status, 400);
  EXPECT_EQ(get("/ui?x=1")->answer.status, 400);
}

// Section 5 (e): a release waits for what was handed out, so nothing may be.
TEST_F(UiTest, LookingHandsOutNothing) {
  lead();
  get("/ui");
  const Exchange stream = get("/ui/events");
  publish(leading("t1", 42, server_.now + 13s));
  server_.run_until(server_.now + 5s);
  EXPECT_GE(stream->written.size(), 3U);
  EXPECT_EQ(board_->answers(), 0U);
  EXPECT_EQ(board_->handed_out(), kLongAgo);
}

// Section 5 (e): what does not count as handed out must not be an answer to work by.
TEST_F(UiTest, WhatIsShownIsNoAnswer) {
  lead();
  const Exchange stream = get("/ui/events");
  const json shown = event(stream->written.at(0));
  EXPECT_EQ(shown.size(), 1U);
  EXPECT_FALSE(shown.contains("isLeader"));
  EXPECT_EQ(shown.at("shown"), document(get("/leader")));
}

// Section 5 (b): who looks is no holder, and takes nothing from the proof of one who was.
TEST_F(UiTest, LookingKeepsNoReleaseWaiting) {
  lead();
  const Exchange holder = get("/leader/events?hold=true");
  const Exchange stream = get("/ui/events");
  holder->end(true);
  server_.run_until(server_.now + 2s);
  publish(draining("t1"));
  EXPECT_EQ(posted<election::WorkEnded>(), 1);
}

TEST_F(UiTest, LookingProvesNothing) {
  lead();
  const Exchange stream = get("/ui/events");
  stream->end(true);
  publish(draining("t1"));
  EXPECT_EQ(posted<election::WorkEnded>(), 0);
}

// No answer means no: a silent stream is noticed within two seconds, a live one is never silent.
TEST_F(UiTest, SilenceIsNoticedWithinTwoSeconds) {
  const int silence_ms = constant("SILENCE_MS");
  EXPECT_LE(silence_ms + constant("STEP_MS"), 2000);
  EXPECT_LE(3 * Waiters::kTick, std::chrono::milliseconds(silence_ms)) << "two may be late";
  const Exchange stream = get("/ui/events");
  server_.run_until(server_.now + std::chrono::milliseconds(silence_ms));
  EXPECT_EQ(stream->written.size(), 4U) << "one at once, and three";
}

TEST_F(UiTest, EachChangeAtOnce) {
  const Exchange stream = get("/ui/events");
  EXPECT_EQ(stream->written.size(), 1U);
  lead();
  ASSERT_EQ(stream->written.size(), 2U);
  EXPECT_EQ(event(stream->written[1])["shown"]["isLeader"], true);
  publish(draining("t1"));
  ASSERT_EQ(stream->written.size(), 3U);
  EXPECT_EQ(event(stream->written[2])["shown"]["isLeader"], false);
}

TEST_F(UiTest, AClosedOneIsForgotten) {
  const Exchange stream = get("/ui/events");
  stream->end(true);
  server_.run_until(server_.now + 60s);
  EXPECT_EQ(stream->written.size(), 1U);
}

TEST_F(UiTest, WithoutAPlaceItIsRefused) {
  server_.places = 0;
  const Exchange stream = get("/ui/events");
  EXPECT_EQ(stream->answer.status, 503);
  EXPECT_EQ(header(stream, "Retry-After"), "1");
  EXPECT_EQ(get("/ui")->answer.status, 200);
}

}  // namespace
}  // namespace baton::api
