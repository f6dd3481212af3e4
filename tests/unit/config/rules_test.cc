// The rules of single values, in the order of config/rules.h.
#include "config/rules.h"

#include <gtest/gtest.h>

namespace baton::config {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

std::string joined(const Result<std::vector<Address>>& addresses) {
  if (!addresses) return "error: " + addresses.error();
  std::string out;
  for (const Address& address : *addresses) out += (out.empty() ? "" : " ") + address.text();
  return out;
}

TEST(Rules, ADnsSubdomainHasLowerCaseLabelsAndAtMost253Characters) {
  for (const char* good : {"a", "my-app", "my.app-1.x", "0"}) {
    EXPECT_EQ(check_dns_subdomain(good), "") << good;
  }
  EXPECT_EQ(check_dns_subdomain(std::string(253, 'a')), "");
  for (const char* bad :
       {"", "A", "a_b", "-a", "a-", "a..b", ".a", "a.", "a/b", "a b", "\xc3\xa4"}) {
    EXPECT_NE(check_dns_subdomain(bad), "") << bad;
  }
  EXPECT_EQ(
      check_dns_subdomain(std::string(254, 'a')),
      "has 254 characters; a DNS subdomain (RFC 1123) has at most 253; choose a shorter name");
}

TEST(Rules, ADnsLabelHasNoDotsAndAtMost63Characters) {
  EXPECT_EQ(check_dns_label("kube-system"), "");
  EXPECT_EQ(check_dns_label(std::string(63, 'a')), "");
  for (const std::string& bad : {std::string(64, 'a'), std::string("a.b"), std::string("")}) {
    EXPECT_NE(check_dns_label(bad), "") << bad;
  }
}

TEST(Rules, ADurationHasOneUnitAndLiesInItsRange) {
  EXPECT_EQ(*duration_between("1500ms", seconds(1), hours(1), false),
            std::chrono::milliseconds(1500));
  const auto why = [](std::string_view text) {
    return duration_between(text, seconds(1), hours(1), true).error();
  };
  EXPECT_EQ(why("15"),
            "a duration is a number and a unit (us, ms, s, m, h), as in 90s or 1m30s; write 15s");
  EXPECT_EQ(why("15sec"),
            "a duration is a number and a unit (us, ms, s, m, h), as in 90s or 1m30s; write 15s");
  EXPECT_EQ(why("1500ms"), "must lie between 1s and 1h, in whole seconds; write 2s");
  EXPECT_EQ(why("0s"), "must lie between 1s and 1h, in whole seconds; write at least 1s");
  EXPECT_EQ(why("2h"), "must lie between 1s and 1h, in whole seconds; write at most 1h");
  for (const char* bad : {"", "s", "-1s", "1 s", "1e3s", "99999999999h"}) EXPECT_NE(why(bad), "");
}

TEST(Rules, AnHttpUrlIsTakenApart) {
  const auto parts = [](std::string_view text) {
    const auto url = parse_http_url(text);
    return url ? url->host + " " + std::to_string(url->port) + " " + url->target : "refused";
  };
  EXPECT_EQ(parts("http://127.0.0.1:8080/healthz"), "127.0.0.1 8080 /healthz");
  EXPECT_EQ(parts("http://[::1]:81"), "::1 81 /");
  EXPECT_EQ(parts("http://localhost/up?deep=1"), "localhost 80 /up?deep=1");
  EXPECT_EQ(parse_http_url("http://a/")->text, "http://a/");
  for (const std::string& bad :
       {std::string("https://a/"), std::string("http://"), std::string("http:///x"),
        std::string("http://a:0/"), std::string("http://a:65536/"), std::string("http://a:/"),
        std::string("http://u@a/"), std::string("http://a/x#y"), std::string("http://a/x y"),
        std::string("http://a?x"), std::string("http://::1/"), std::string("HTTP://a/"),
        "http://a/" + std::string(992, 'x')}) {
    EXPECT_EQ(parts(bad), "refused") << bad;
  }
  EXPECT_NE(parts("http://a/" + std::string(991, 'x')), "refused");
  EXPECT_EQ(parse_http_url("https://a", true)->port, 443);
  EXPECT_EQ(parse_http_url("https://a:8443", true)->port, 8443);
  EXPECT_TRUE(parse_http_url("https://a", true)->is_https);
  EXPECT_FALSE(parse_http_url("http://a", true)->is_https);
}

TEST(Rules, AddressesComeInTheseForms) {
  EXPECT_EQ(joined(parse_addresses("127.0.0.1:4040, [::1]:4040")), "127.0.0.1:4040 [::1]:4040");
  EXPECT_EQ(joined(parse_addresses("localhost:80")), "127.0.0.1:80 [::1]:80");
  EXPECT_EQ(joined(parse_addresses(":80")), "0.0.0.0:80 [::]:80");
  EXPECT_EQ(joined(parse_addresses("unix:/run/b.sock")), "unix:/run/b.sock");
  EXPECT_EQ(joined(parse_addresses("off")), "");
  EXPECT_TRUE((*parse_addresses("127.9.9.9:1"))[0].loopback);
  EXPECT_FALSE((*parse_addresses("10.0.0.1:1"))[0].loopback);
  EXPECT_TRUE((*parse_addresses("[::]:1"))[0].wildcard);
}

TEST(Rules, OtherAddressesAreRefused) {
  for (const char* bad :
       {"", "4040", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:4040",
        "[::1]", "[127.0.0.1]:80", "example.org:80", "unix:relative", "unix:", "127.0.0.1:80,off",
        "127.0.0.1:80,", "256.0.0.1:80", "http://127.0.0.1:80"}) {
    EXPECT_FALSE(parse_addresses(bad).ok()) << bad;
  }
  EXPECT_FALSE(parse_addresses("unix:/" + std::string(107, 'a')).ok());
  EXPECT_TRUE(parse_addresses("unix:/" + std::string(106, 'a')).ok());
  EXPECT_FALSE(parse_addresses("[::1]:1,[::1]:2,[::1]:3,[::1]:4,[::1]:5,[::1]:6,[::1]:7,[::1]:8,"
                               "[::1]:9")
                   .ok());
}

TEST(Rules, TheNearestNameIsOneThatIsClose) {
  EXPECT_EQ(nearest("lease-durtion", {"election", "lease-duration"}), "lease-duration");
  EXPECT_EQ(nearest("zzz", {"election", "lease-duration"}), "");
  EXPECT_EQ(nearest("", {"election"}), "");
}

}  // namespace
}  // namespace baton::config
