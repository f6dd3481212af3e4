#include "kube/formats.h"

#include <gtest/gtest.h>

namespace baton::kube {
namespace {

TEST(DecodeBase64, BothAlphabetsPaddedOrNot) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("Zg=="), "f");
  EXPECT_EQ(decode_base64("Zg"), "f");
  EXPECT_EQ(decode_base64("Zm8="), "fo");
  EXPECT_EQ(decode_base64("Zm9v"), "foo");
  EXPECT_EQ(decode_base64("Zm9v\nYmFy\n"), "foobar");
  EXPECT_EQ(decode_base64("+/+/"), "\xfb\xff\xbf");
  EXPECT_EQ(decode_base64("-_-_"), "\xfb\xff\xbf");
  for (const char* bad : {"Z", "Zm9vY", "Zm9%", "Zg==Zg==", "Zg=", "Z===", "====", "\xff\xff"}) {
    EXPECT_FALSE(decode_base64(bad)) << bad;
  }
}

TEST(ParseRfc3339, SecondsSince1970) {
  EXPECT_EQ(parse_rfc3339("224-02-29T00:00:00"), std::nullopt);  // one byte short of a time zone
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_rfc3339("2024-02-29T12:30:45Z"), 1709209845);
  EXPECT_EQ(parse_rfc3339("2024-02-29T12:30:45.987654321Z"), 1709209845);
  EXPECT_EQ(parse_rfc3339("2024-02-29T14:30:45+02:00"), 1709209845);
  EXPECT_EQ(parse_rfc3339("2024-02-29T10:00:45-02:30"), 1709209845);
  for (const char* bad :
       {"", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z",
        "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:00:00",
        "2024-01-01 00:00:00Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00Zx", "+024-01-01",
        "2024-01-01T00:00:00+2:00", "99999-01-01T00:00:00Z"}) {
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
  }
}

TEST(ParseHttpDate, TheFixedForm) {
  EXPECT_EQ(parse_http_date("Thu, 29 Feb 2024 12:30:45 GMT"), 1709209845);
  for (const char* bad : {"", "Thu, 29 Feb 2024 12:30:45", "Thursday, 29-Feb-24 12:30:45 GMT",
                          "Thu Feb 29 12:30:45 2024", "Thu, 29 Foo 2024 12:30:45 GMT",
                          "Thu, 31 Feb 2024 12:30:45 GMT", "Thu, 29 Feb 2024 12:30:45 GMT;"}) {
    EXPECT_FALSE(parse_http_date(bad)) << bad;
  }
}

}  // namespace
}  // namespace baton::kube
