#include "api/status_board.h"

#include <string_view>
#include <utility>

#include "api/seqlock.h"
#include "base/text.h"

namespace baton::api {
namespace {

using election::Status;

// printable() may pass its limit by the rest of a character and an ellipsis.
constexpr std::size_t kOvershoot = 6;

template <std::size_t N>
struct Text {
  std::uint16_t size = 0;
  char bytes[N] = {};

  void set(std::string_view text) {
    const std::string shown = printable(text, N - kOvershoot);
    size = static_cast<std::uint16_t>(shown.copy(bytes, N));
  }
  std::string get() const { return {bytes, size}; }
};

struct Image {
  std::uint64_t change = 0;
  Instant deadline = kLongAgo, fresh_at = kLongAgo, expires = kLongAgo;
  election::Token token = 0, leader_token = 0;
  std::int64_t transitions = 0;
  election::State state = election::State::starting;
  bool believes = false, watch_live = false, leader_token_known = false;
  Text<64> term_id;   // random, 128 bits in text
  Text<512> reason;   // one line for people
  Text<512> leader;   // a Pod's name has at most 253 bytes and ours adds under 64; others': cut
  Text<272> address;  // a host name (253) and a port
  Text<64> since;     // RFC 3339 has 27
};

Image image_of(const Status& status, std::uint64_t change) {
  Image image;
  image.change = change;
  image.deadline = status.deadline;
  image.fresh_at = status.fresh_at;
  image.expires = status.leader.expires;
  image.token = status.token;
  image.leader_token = status.leader.fencing_token.value_or(0);
  image.leader_token_known = status.leader.fencing_token.has_value();
  image.transitions = status.leader.transitions;
  image.state = status.state;
  image.believes = status.believes;
  image.watch_live = status.watch_live;
  image.term_id.set(status.term_id);
  image.reason.set(status.reason);
  image.leader.set(status.leader.identity);
  image.address.set(status.leader.address);
  image.since.set(status.leader.since);
  return image;
}

StatusView view_of(const Image& image) {
  StatusView view;
  view.change = image.change;
  Status& status = view.status;
  status.state = image.state;
  status.reason = image.reason.get();
  status.believes = image.believes;
  status.term_id = image.term_id.get();
  status.token = image.token;
  status.deadline = image.deadline;
  status.fresh_at = image.fresh_at;
  status.watch_live = image.watch_live;
  status.leader = {image.leader.get(), image.address.get(), {},
                   image.since.get(),  image.transitions,   image.expires};
  if (image.leader_token_known) status.leader.fencing_token = image.leader_token;
  return view;
}

// What the status document does not show, or shows as it passes, makes no change.
Status without_times(Status status) {
  status.deadline = status.fresh_at = status.leader.expires = kLongAgo;
  status.watch_live = false;
  return status;
}

}  // namespace

struct StatusBoard::Cells {
  Seqlock<Image> image;
  std::atomic<Instant::rep> handed_out{kLongAgo.time_since_epoch().count()};
  std::atomic<std::uint64_t> answers{0};
  // The writer's alone.
  Status last;  // without_times()
  Instant last_deadline = kLongAgo;
  std::uint64_t change = 0;
  std::unique_ptr<StatusPage> page;  // null: none
  bool page_says_yes = false;
};

StatusBoard::StatusBoard() : cells_(std::make_unique<Cells>()) { publish(Status{}); }
StatusBoard::~StatusBoard() = default;

void StatusBoard::show_on(std::unique_ptr<StatusPage> page) { cells_->page = std::move(page); }

bool StatusBoard::publish(const Status& status) {
  Status plain = without_times(status);
  const bool changed = cells_->change == 0 || plain != cells_->last;
  if (changed) {
    cells_->last = std::move(plain);
    ++cells_->change;
  }
  StatusPage* page = cells_->page.get();
  if (page != nullptr && status.believes) hand_out(status.deadline);
  if (page != nullptr && !status.believes) {
    page->write(status, cells_->change);
    if (std::exchange(cells_->page_says_yes, false)) cells_->answers.fetch_add(1);
  }
  cells_->image.store(image_of(status, cells_->change));
  if (page != nullptr && status.believes) {
    page->write(status, cells_->change);
    cells_->page_says_yes = true;
  }
  const bool extended = status.believes && status.deadline != cells_->last_deadline;
  cells_->last_deadline = status.deadline;
  return changed || extended;
}

StatusView StatusBoard::read() const {
  std::uint64_t version = 0;
  return view_of(cells_->image.load(version));
}

StatusView StatusBoard::read_for_answer(Instant now) {
  bool counted = false;
  while (true) {
    std::uint64_t version = 0;
    const Image image = cells_->image.load(version);
    if (!image.believes || now >= image.deadline) return view_of(image);
    if (!counted) cells_->answers.fetch_add(1);
    counted = true;
    hand_out(image.deadline);
    if (cells_->image.version() == version) return view_of(image);
  }
}

void StatusBoard::hand_out(Instant deadline) {
  const Instant::rep given = deadline.time_since_epoch().count();
  Instant::rep known = cells_->handed_out.load();
  while (known < given && !cells_->handed_out.compare_exchange_weak(known, given)) {
  }
}

Instant StatusBoard::handed_out() const { return Instant(Duration(cells_->handed_out.load())); }

std::uint64_t StatusBoard::answers() const { return cells_->answers.load(); }

}  // namespace baton::api
