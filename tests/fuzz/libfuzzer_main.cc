// What libFuzzer calls. With GoogleTest's checks in a target, a failed one ends the program too.
#include <gtest/gtest.h>

#include "fuzz/target.h"

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerInitialize(int* argc, char*** argv) {
  int own_arguments = 1;  // the flags are libFuzzer's
  testing::InitGoogleTest(&own_arguments, *argv);
  testing::FLAGS_gtest_throw_on_failure = true;
  return argc == nullptr ? 1 : 0;
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  baton::fuzz::targets().front().run({reinterpret_cast<const char*>(data), size});
  return 0;
}
