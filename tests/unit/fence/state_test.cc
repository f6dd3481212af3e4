// What the gateway's state file takes for damage, and that it never takes one for a fresh start.
#include "fence/state.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/text.h"
#include "unit/kube/folder.h"

namespace baton::fence {
namespace {

const Tokens kTokens = {{"shop/billing", 0}, {"shop/orders", 57}};
const std::string kText =
    "baton fence state, version 1\n"
    "shop/billing 0\n"
    "shop/orders 57\n"
    "crc32 8350d26e\n";

TEST(FenceState, ReadsWhatItWrites) {
  EXPECT_EQ(encode(kTokens), kText);
  const auto read = decode(kText);
  ASSERT_TRUE(read.ok()) << read.error();
  EXPECT_EQ(*read, kTokens);
}

TEST(FenceState, EveryTornOrChangedTextIsDamage) {
  for (std::size_t size = 0; size < kText.size(); ++size) {
    const auto read = decode(kText.substr(0, size));
    ASSERT_FALSE(read.ok()) << size;
    EXPECT_TRUE(read.error().starts_with("is damaged: ")) << read.error();
  }
  for (std::size_t at = 0; at < kText.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string text = kText;
      text[at] = static_cast<char>(text[at] ^ (1 << bit));
      EXPECT_FALSE(decode(text).ok()) << text;
    }
  }
  EXPECT_FALSE(decode(kText + kText).ok());
  EXPECT_FALSE(decode(kText + "\n").ok());
}

// Written by hand, with the right sum.
TEST(FenceState, LinesThatAreNone) {
  for (const auto& [scope, token] : std::initializer_list<std::pair<std::string, std::int64_t>>{
           {"", 1}, {"a b", 1}, {"a,b", 1}, {"a", -1}, {"a", kLargestToken + 1}}) {
    const auto read = decode(encode({{scope, token}}));
    ASSERT_FALSE(read.ok()) << scope << token;
    EXPECT_NE(read.error().find("is not a scope and its token"), std::string::npos) << read.error();
  }
}

TEST(FenceState, ALaterVersionIsNotRead) {
  const auto read = decode("baton fence state, version 2\nwhatever that is\n");
  ASSERT_FALSE(read.ok());
  EXPECT_TRUE(read.error().starts_with("is of version 2, later than the 1")) << read.error();
}

class FenceStateFile : public testing::Test {
 protected:
  std::string text() const { return read_file(path_).value(); }
  std::string why_not_open(const std::vector<std::string>& scopes = {"a"}) const {
    const auto opened = StateFile::open(path_, scopes);
    return opened.ok() ? "" : opened.error();
  }

  const kube::Folder folder_;
  const std::string path_ = folder_.path("state");
};

TEST_F(FenceStateFile, AMissingOneIsNoFreshStart) {
  EXPECT_NE(why_not_open().find(path_ + ": No such file or directory; if it is new"),
            std::string::npos)
      << why_not_open();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(FenceStateFile, ADamagedOneIsNoFreshStart) {
  for (const std::string& damage : {std::string(), kText.substr(0, 40), std::string("0\n")}) {
    folder_.write("state", damage);
    EXPECT_NE(why_not_open().find(path_ + " is damaged"), std::string::npos) << why_not_open();
    EXPECT_NE(StateFile::initialise(path_, {"b"}, 0).find("is damaged"), std::string::npos);
    EXPECT_EQ(text(), damage);
  }
  folder_.write("state", "baton fence state, version 2\n");
  EXPECT_NE(why_not_open().find(path_ + " is of version 2"), std::string::npos) << why_not_open();
}

TEST_F(FenceStateFile, AScopeThatItLacksIsNoFreshStart) {
  ASSERT_EQ(StateFile::initialise(path_, {"a"}, 0), "");
  EXPECT_NE(why_not_open({"a", "b"}).find(path_ + " knows no scope b"), std::string::npos);
}

TEST_F(FenceStateFile, InitialisingLowersNothing) {
  ASSERT_EQ(StateFile::initialise(path_, {"a"}, 41), "");
  ASSERT_EQ(StateFile::initialise(path_, {"a", "b"}, 7), "");
  EXPECT_EQ(text(), encode({{"a", 41}, {"b", 7}}));
  EXPECT_NE(StateFile::initialise(path_, {"a", "b"}, 0), "");
  EXPECT_EQ(text(), encode({{"a", 41}, {"b", 7}}));
}

TEST_F(FenceStateFile, IsOnTheDiskWhenRaiseReturns) {
  ASSERT_EQ(StateFile::initialise(path_, {"a", "b"}, 0), "");
  {
    const auto state = StateFile::open(path_, {"a"});
    ASSERT_TRUE(state.ok()) << state.error();
    ASSERT_EQ((*state)->raise("a", 57), "");
    EXPECT_EQ(text(), encode({{"a", 57}, {"b", 0}}));
    ASSERT_EQ((*state)->raise("a", 56), "");
    EXPECT_EQ(text(), encode({{"a", 57}, {"b", 0}}));  // never lower
    std::filesystem::create_directory(path_ + ".next");
    EXPECT_NE((*state)->raise("a", 58), "");
    std::filesystem::remove(path_ + ".next");
    ASSERT_EQ((*state)->raise("b", 9), "");
  }
  const auto state = StateFile::open(path_, {"a", "b"});
  ASSERT_TRUE(state.ok()) << state.error();
  EXPECT_GE((*state)->tokens().at("a"), 57);
  EXPECT_EQ((*state)->tokens().at("b"), 9);
}

TEST_F(FenceStateFile, OneProcessHasIt) {
  ASSERT_EQ(StateFile::initialise(path_, {"a"}, 0), "");
  const auto first = StateFile::open(path_, {"a"});
  ASSERT_TRUE(first.ok());
  ASSERT_EQ((*first)->raise("a", 5), "");  // the file is another one now, the lock is the same
  EXPECT_NE(why_not_open().find(path_ + " is in use by another gateway"), std::string::npos);
}

}  // namespace
}  // namespace baton::fence
