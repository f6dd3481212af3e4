#include "runtime/recorder.h"

#include <utility>

#include "observe/log.h"

namespace baton::runtime {
namespace {

/// What is queued at the end gets this long.
constexpr Duration kLastLines = std::chrono::milliseconds(500);

}  // namespace

Result<std::unique_ptr<Recorder>> Recorder::open(const std::string& path,
                                                 observe::RecordingHead head,
                                                 const election::Election& election) {
  auto file = observe::RecordingFile::create(path, std::move(head), election);
  if (!file.ok()) return Error{file.error()};
  return std::unique_ptr<Recorder>(new Recorder(std::move(file).value()));
}

Recorder::~Recorder() {
  worker_.flush(kLastLines);
  worker_.stop();
}

void Recorder::stepped(observe::RecordedStep step, const election::Election& election) {
  const bool is_queued =
      missed_ == 0 && worker_.submit([this, one = std::move(step)] { check(file_->add(one)); });
  if (!is_queued) ++missed_;
  if (missed_ == 0 && !file_->is_full()) return;
  const auto write = [this, checkpoint = observe::Checkpoint{election, missed_}] {
    // Until the worker comes to it, several may be queued for one full file.
    if (checkpoint.missed > 0 || file_->is_full()) check(file_->add(checkpoint));
  };
  if (worker_.submit(write)) missed_ = 0;
}

void Recorder::check(const std::string& error) {
  if (error.empty()) return;
  observe::log(observe::Level::warning, "recording stopped",
               {{"reason", error},
                {"mend", std::string("the election goes on; free space and "
                                     "restart to record again")}});
}

}  // namespace baton::runtime
