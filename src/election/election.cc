#include "election/election.h"

#include <algorithm>
#include <utility>

#include "election/impl.h"

namespace baton::election {

Election::Impl::Impl(Options options, Instant start)
    : options_(std::move(options)), start_(start), write_delta_(options_.write_delta), now_(start) {
  self_ = {.identity = options_.identity,
           .incarnation = options_.incarnation,
           .lease_duration = times_.lease_duration,
           .lock_delay = options_.lock_delay,
           .hand_over_window = 2 * times_.request_timeout,  // one try that hangs, and its read-back
           .lost_terms = 0,
           .own_terms = {}};
  std::seed_seq seed{
      static_cast<std::uint32_t>(options_.seed), static_cast<std::uint32_t>(options_.seed >> 32),
      static_cast<std::uint32_t>(options_.seed2), static_cast<std::uint32_t>(options_.seed2 >> 32)};
  random_.seed(seed);
}

Step Election::Impl::step(const Event& event, Instant now, Instant handed_out) {
  out_ = {};
  if (has_exited_) return out_;
  now_ = std::max(now_, now);
  handed_out_ = std::max(handed_out_, handed_out);
  said_no_ = false;
  hears_list_ = false;

  const auto* watched = std::get_if<Watched>(&event);
  if (watched != nullptr && watched->id == watch_id_)
    watch_heard_ = now_;  // before it counts as silent
  pass_time();
  std::visit([this](const auto& happened) { on(happened); }, event);
  obey_controls();
  decide();
  report();
  return std::move(out_);
}

Election::Election(Options options, Instant start)
    : impl_(std::make_unique<Impl>(std::move(options), start)) {}
Election::~Election() = default;
Election::Election(const Election& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}
Election::Election(Election&&) noexcept = default;
Election& Election::operator=(Election&&) noexcept = default;

Step Election::step(const Event& event, Instant now, Instant handed_out) {
  return impl_->step(event, now, handed_out);
}

const Status& Election::status() const { return impl_->status(); }

}  // namespace baton::election
