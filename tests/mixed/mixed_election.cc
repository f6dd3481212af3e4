#include "mixed/mixed_election.h"

#include <algorithm>
#include <array>
#include <utility>

#include "support/cluster.h"

namespace baton::test {
namespace {

// The lease duration of every candidate here, baton's aggressive profile, in seconds.
constexpr double kLease_s = 3;
constexpr std::int64_t kSecond_ns = 1'000'000'000;

// The judge of linearizability takes some thousand operations at ease.
std::chrono::milliseconds work_period(std::chrono::seconds length) {
  constexpr int kWrites = 2000;
  return std::max(std::chrono::milliseconds(50), std::chrono::milliseconds(length) / kWrites);
}

// What may be done, each as often in a bag of them as its weight says.
enum Kind { kKill, kStop, kRelease, kTerminateWhileStopped, kDelete };
constexpr std::array<Kind, 9> kBag = {
    kKill, kKill, kStop, kStop, kStop, kRelease, kRelease, kDelete, kTerminateWhileStopped};

}  // namespace

MixedElection::MixedElection(std::uint64_t seed, std::chrono::seconds length)
    : random_(seed),
      length_(length),
      ports_{free_port(), free_port(), free_port()},
      batons_(kBatons, [this](BatonOptions& options) {
        options.local_port = ports_[static_cast<std::size_t>(options.pod.back() - '0')];
      }) {
  history_ = std::make_unique<LeaseHistory>(batons_.election());
  client_gos_.resize(kClientGos);
  for (int i = 0; i < kClientGos; ++i) {
    start_client_go(i);
  }
  for (int i = 0; i < kBatons; ++i) {
    applications_.push_back(std::make_unique<Application>(
        "p" + std::to_string(i), ports_[static_cast<std::size_t>(i)], store_, work_period(length)));
  }
}

Process& MixedElection::process(int actor) {
  return actor < kBatons ? batons_.at(actor).process()
                         : client_gos_[static_cast<std::size_t>(actor - kBatons)]->process();
}

int MixedElection::leader() const {
  const std::string holder = history_->holder();
  for (int i = 0; i < kBatons; ++i) {
    if (holder.starts_with("p" + std::to_string(i))) {
      return i;
    }
  }
  for (int i = 0; i < kClientGos; ++i) {
    if (client_gos_[static_cast<std::size_t>(i)]->id() == holder) {
      return kBatons + i;
    }
  }
  return -1;
}

// "" for a baton that does not lead: the Lease does not tell.
std::string MixedElection::identity(int actor) const {
  if (actor >= kBatons) {
    return client_gos_[static_cast<std::size_t>(actor - kBatons)]->id();
  }
  return leader() == actor ? history_->holder() : "";
}

// Each start has an identity of its own, as client-go's documentation asks for.
void MixedElection::start_client_go(int index) {
  const std::string name = "client-go-" + std::to_string(index);
  client_gos_[static_cast<std::size_t>(index)] = std::make_unique<ClientGo>(
      ClientGoOptions{.election = batons_.election(),
                      .id = name + "-start" + std::to_string(++client_go_starts_),
                      .user = name});
}

void MixedElection::restart(int actor) {
  if (actor < kBatons) {
    batons_.restart(actor);
    return;
  }
  ClientGo& old = *client_gos_[static_cast<std::size_t>(actor - kBatons)];
  const std::int64_t ended_ns = boottime_ns();
  old.process().send(SIGKILL);
  old.process().wait();
  const auto terms = client_go_terms(old.id(), old.log(), ended_ns);
  ended_client_go_terms_.insert(ended_client_go_terms_.end(), terms.begin(), terms.end());
  start_client_go(actor - kBatons);
}

void MixedElection::restart_what_ended() {
  for (int actor = 0; actor < kActors; ++actor) {
    if (!busy_[static_cast<std::size_t>(actor)] && !process(actor).running()) {
      restart(actor);
    }
  }
}

bool MixedElection::begin() {
  for (int i = 0; i < kBatons; ++i) {
    process(i).send(SIGSTOP);
  }
  const bool led = wait_until([this] { return leader() >= kBatons; });
  for (int i = 0; i < kBatons; ++i) {
    process(i).send(SIGCONT);
  }
  return led;
}

void MixedElection::run() {
  const std::int64_t end_ns = boottime_ns() + length_.count() * kSecond_ns;
  std::int64_t next_ns = 0;
  wait_until(
      [&] {
        run_due();
        restart_what_ended();
        const std::int64_t now_ns = boottime_ns();
        if (now_ns >= next_ns && now_ns < end_ns) {
          if (bag_.empty()) {
            bag_.assign(kBag.begin(), kBag.end());
            std::shuffle(bag_.begin(), bag_.end(), random_);
          }
          inject(bag_.back());
          bag_.pop_back();
          next_ns = now_ns + static_cast<std::int64_t>(between(0.8, 4) * kSecond_ns);
        }
        return now_ns >= end_ns && later_.empty();
      },
      length_ + kBound);
}

bool MixedElection::write_late() {
  for (auto& client_go : client_gos_) {
    client_go->process().send(SIGTERM);
    client_go->process().wait();
  }
  // Several times, so that a late write has something to overwrite.
  const auto writes = [&](int index) {
    const std::int64_t before = store_.counts().accepted;
    return index >= 0 && wait_until([&] {
             return store_.counts().highest_token == batons_.at(index).token() &&
                    store_.counts().accepted > before + 5;
           });
  };
  const int old = batons_.wait_for_leader();
  if (!writes(old)) {
    return false;
  }
  Application& application = *applications_[static_cast<std::size_t>(old)];
  if (!wait_until([&] { return application.hold(); })) {
    return false;
  }
  process(old).send(SIGSTOP);
  const int next = batons_.wait_for_leader(old);
  const bool next_writes = writes(next);
  process(old).send(SIGCONT);
  const std::int64_t refused = store_.counts().refused;
  application.let_go();
  return next_writes && wait_until([&] { return store_.counts().refused > refused; });
}

void MixedElection::finish() {
  applications_.clear();
  for (auto& client_go : client_gos_) {
    const std::int64_t ended_ns = boottime_ns();
    client_go->process().send(SIGKILL);
    client_go->process().wait();
    const auto terms = client_go_terms(client_go->id(), client_go->log(), ended_ns);
    ended_client_go_terms_.insert(ended_client_go_terms_.end(), terms.begin(), terms.end());
  }
  history_->stop();
}

std::vector<Belief> MixedElection::beliefs() const {
  std::map<std::string, std::string> holders;  // by term
  for (const LeaseVersion& version : history_->versions()) {
    holders[version.term_id] = version.holder;
  }
  std::vector<Belief> beliefs;
  for (const Term& term : judge(batons_.logs()).terms) {
    beliefs.push_back({term, holders[term.term_id], true});
  }
  for (const Term& term : ended_client_go_terms_) {
    beliefs.push_back({term, term.who, false});
  }
  return beliefs;
}

// The leader more often than another one, so that most faults matter.
int MixedElection::victim() {
  const int leads = leader();
  if (leads >= 0 && !busy_[static_cast<std::size_t>(leads)] && between(0, 1) < 0.7) {
    return leads;
  }
  std::vector<int> free;
  for (int actor = 0; actor < kActors; ++actor) {
    if (!busy_[static_cast<std::size_t>(actor)]) {
      free.push_back(actor);
    }
  }
  const auto at = static_cast<std::size_t>(between(0, static_cast<double>(free.size())));
  return free.empty() ? -1 : free[std::min(at, free.size() - 1)];
}

void MixedElection::inject(int kind) {
  if (kind == kDelete) {
    remove_lease();
    return;
  }
  const int actor = victim();
  if (actor < 0 || !process(actor).running()) {
    return;
  }
  switch (kind) {
    case kKill: kill(actor); break;
    case kStop: stop(actor); break;
    case kRelease: release(actor); break;
    default: terminate_while_stopped(actor); break;
  }
}

void MixedElection::kill(int actor) {
  ++faults_["killed"];
  const auto index = static_cast<std::size_t>(actor);
  if (actor < kBatons && leader() == actor && coin() && applications_[index]->hold()) {
    later(between(1.2, 3) * kLease_s, [this, index] { applications_[index]->let_go(); });
  }
  busy_[index] = true;
  if (actor < kBatons) {
    process(actor).send(SIGKILL);
    process(actor).wait();
  } else {
    restart(actor);
  }
  later(between(0, 2), [this, index] { busy_[index] = false; });
}

void MixedElection::stop(int actor) {
  ++faults_["stopped"];
  const auto index = static_cast<std::size_t>(actor);
  const double seconds = between(0.3, 2.5) * kLease_s;
  const bool holds = actor < kBatons && leader() == actor && coin() && applications_[index]->hold();
  busy_[index] = true;
  stops_.push_back({identity(actor), boottime_ns(), INT64_MAX});
  const std::size_t at = stops_.size() - 1;
  process(actor).send(SIGSTOP);
  later(seconds, [this, actor, index, at] {
    stops_[at].until_ns = boottime_ns();
    process(actor).send(SIGCONT);
    busy_[index] = false;
  });
  if (holds) {
    later(seconds + between(0, 0.5), [this, index] { applications_[index]->let_go(); });
  }
}

void MixedElection::release(int actor) {
  ++faults_["released"];
  if (actor < kBatons && coin()) {
    applications_[static_cast<std::size_t>(actor)]->resign();
  } else {
    process(actor).send(SIGTERM);
  }
}

void MixedElection::terminate_while_stopped(int actor) {
  ++faults_["terminated while stopped"];
  const auto index = static_cast<std::size_t>(actor);
  busy_[index] = true;
  stops_.push_back({identity(actor), boottime_ns(), INT64_MAX});
  const std::size_t at = stops_.size() - 1;
  process(actor).send(SIGSTOP);
  later(between(1.2, 2.2) * kLease_s, [this, actor, index, at] {
    stops_[at].until_ns = boottime_ns();
    process(actor).send(SIGTERM);
    process(actor).send(SIGCONT);
    busy_[index] = false;
  });
}

void MixedElection::remove_lease() {
  ++faults_["Lease deleted"];
  admin_.remove(kLeases + "/" + batons_.election());
}

void MixedElection::later(double seconds, std::function<void()> action) {
  const auto wait_ns = static_cast<std::int64_t>(seconds * static_cast<double>(kSecond_ns));
  later_.push_back({boottime_ns() + wait_ns, std::move(action)});
}

void MixedElection::run_due() {
  const std::int64_t now_ns = boottime_ns();
  std::vector<Later> due;
  std::erase_if(later_, [&](const Later& one) {
    const bool is_due = one.at_ns <= now_ns;
    if (is_due) {
      due.push_back(one);
    }
    return is_due;
  });
  for (const Later& one : due) {
    one.action();
  }
}

double MixedElection::between(double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(random_);
}

}  // namespace baton::test
