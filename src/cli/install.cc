#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "cli/commands.h"

namespace baton::cli {
namespace {

namespace fs = std::filesystem;

/// Copies beside `target`, flushes, and renames: whoever opens `target` finds all of it or none.
std::error_code copy_atomically(const fs::path& source, const fs::path& target) {
  const fs::path temporary = target.string() + ".new-" + std::to_string(getpid());
  std::error_code error;
  const auto flush = [&] {
    const int file = open(temporary.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0 || fsync(file) != 0) error.assign(errno, std::system_category());
    if (file >= 0) close(file);
  };
  fs::copy_file(source, temporary, fs::copy_options::overwrite_existing, error);
  if (!error) fs::permissions(temporary, fs::perms(0755), error);
  if (!error) flush();
  if (!error) fs::rename(temporary, target, error);
  std::error_code ignored;
  if (error) fs::remove(temporary, ignored);
  return error;
}

}  // namespace

int run_install(const Call& call) {
  fs::path target = call.word(0);
  if (target.empty()) return call.fail(kUsage, "needs a PATH; write baton install /shared/baton");
  std::error_code error;
  if (fs::is_directory(target, error)) target /= "baton";
  error = copy_atomically("/proc/self/exe", target);
  if (!error) return kOk;
  return call.fail(kFailed, target.string() + ": " + error.message() +
                                "; choose a writable directory that exists");
}

}  // namespace baton::cli
