// A folder for what has to be in a file, gone with the program.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace baton::fuzz {

class Folder {
 public:
  Folder() {
    const bool has_memory_folder = std::filesystem::is_directory("/dev/shm");
    std::string form = has_memory_folder ? "/dev/shm/baton-fuzz.XXXXXX" : "/tmp/baton-fuzz.XXXXXX";
    if (mkdtemp(form.data()) == nullptr) std::abort();
    path_ = form;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }
  /// Returns its path.
  std::string write(const std::string& name, std::string_view content) const {
    std::ofstream(path_ + "/" + name, std::ios::binary) << content;
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

}  // namespace baton::fuzz
