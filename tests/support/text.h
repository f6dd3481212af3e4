// What tests do with texts and files.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

namespace baton::test {

inline bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// What the file holds; "" if it cannot be read.
inline std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace baton::test
