#include "simulation/foreign_candidate.h"

#include <utility>

namespace baton::simulation {

using devserver::Object;
using devserver::Outcome;
using devserver::Stored;
using nlohmann::json;

namespace {

const json& spec_of(const Object& object) {
  static const json kNone = json::object();
  if (object == nullptr) {
    return kNone;
  }
  const auto found = object->find("spec");
  return found != object->end() && found->is_object() ? *found : kNone;
}

std::string text(const json& spec, const char* field) {
  const auto found = spec.find(field);
  return found != spec.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t number(const json& spec, const char* field) {
  const auto found = spec.find(field);
  return found != spec.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

}  // namespace

ForeignCandidate::ForeignCandidate(World& world, ApiServer& server, Invariants& invariants,
                                   std::string identity, Timings timings)
    : world_(world),
      server_(server),
      invariants_(invariants),
      identity_(std::move(identity)),
      timings_(timings) {}

void ForeignCandidate::start() {
  here_ = true;
  observed_ = nullptr;
  attempt_after(world_.random().between(0s, timings_.retry_period));
}

void ForeignCandidate::leave() {
  here_ = false;
  ++life_;
  leads_ = false;
  invariants_.foreign_acts(false);
}

bool ForeignCandidate::cancel() {
  if (!here_ || !leads_) {
    return false;
  }
  ++life_;
  release_and_restart();
  return true;
}

// One request at a time; a request's time-out is half the renew deadline.
void ForeignCandidate::exchange(Serve serve, Answered answered) {
  const std::uint64_t mine = ++exchange_;
  const auto finish = [this, mine, life = life_, answered](const Stored* stored) {
    if (mine == exchange_ && life == life_) {
      ++exchange_;
      answered(stored);
    }
  };
  world_.after(timings_.renew_deadline / 2, [finish] { finish(nullptr); });
  const auto way = [this] { return world_.random().between(1ms, 20ms); };
  world_.after(way(), [this, finish, way, serve = std::move(serve)] {
    if (world_.now() < cut_until_) {
      return;
    }
    if (server_.down()) {
      world_.after(way(), [finish] { finish(nullptr); });
      return;
    }
    const Stored stored = serve();
    world_.after(way(), [this, finish, stored] {
      if (world_.now() >= cut_until_) {
        finish(&stored);
      }
    });
  });
}

void ForeignCandidate::attempt_after(Duration delay) {
  world_.after(delay, [this, life = life_] {
    if (life == life_) {
      attempt();
    }
  });
}

void ForeignCandidate::attempt() {
  if (observed_holder() == identity_ && is_observed_valid()) {
    put(*observed_, true);
  } else {
    read();
  }
}

void ForeignCandidate::read() {
  exchange(
      [this] {
        const Object object = server_.get();
        return Stored{object == nullptr ? Outcome::not_found : Outcome::ok, object};
      },
      [this](const Stored* found) {
        if (found == nullptr) {
          return attempted(false);
        }
        if (found->object == nullptr) {
          return put(json::object(), false);
        }
        if (observed_ == nullptr || spec_of(found->object) != spec_of(observed_)) {
          observe(found->object);
        }
        const std::string holder = text(spec_of(found->object), "holderIdentity");
        if (!holder.empty() && holder != identity_ && is_observed_valid()) {
          return attempted(false);
        }
        put(*found->object, false);
      });
}

// The spec is written anew; what it does not know in there is lost.
void ForeignCandidate::put(json body, bool is_fast) {
  const json before = std::exchange(body["spec"], json::object());
  const bool is_mine = before.is_object() && text(before, "holderIdentity") == identity_;
  const std::int64_t transitions = before.is_object() ? number(before, "leaseTransitions") : -1;
  body["spec"]["leaseTransitions"] = transitions + (is_mine ? 0 : 1);
  body["spec"]["holderIdentity"] = identity_;
  body["spec"]["leaseDurationSeconds"] =
      std::chrono::duration_cast<std::chrono::seconds>(timings_.lease_duration).count();
  exchange([this, body = std::move(body)] { return server_.put(body, identity_); },
           [this, is_fast](const Stored* stored) {
             if (stored != nullptr && stored->object != nullptr) {
               observe(stored->object);
               attempted(true);
             } else if (is_fast) {
               read();
             } else {
               attempted(false);
             }
           });
}

void ForeignCandidate::attempted(bool ok) {
  if (ok && !leads_) {
    world_.say(identity_, " leads");
    leads_ = true;
    invariants_.foreign_acts(true);
  }
  if (!leads_) {
    return attempt_after(
        scaled(timings_.retry_period, 1.0 + 1.2 * world_.random().unit()));  // jitter
  }
  attempt_after(timings_.retry_period);
  if (!ok) {
    return;
  }
  // The renew deadline begins with the next attempt, not with this success.
  deadline_ = world_.now() + timings_.retry_period + timings_.renew_deadline;
  world_.at(deadline_, [this, life = life_, deadline = deadline_] {
    if (life == life_ && deadline == deadline_) {
      ++life_;
      release_and_restart();
    }
  });
}

void ForeignCandidate::observe(const Object& object) {
  observed_ = object;
  observed_at_ = world_.now();
}

std::string ForeignCandidate::observed_holder() const {
  return text(spec_of(observed_), "holderIdentity");
}

bool ForeignCandidate::is_observed_valid() const {
  return observed_at_ + std::chrono::seconds(number(spec_of(observed_), "leaseDurationSeconds")) >
         world_.now();
}

// It acts on until its release has come to an end.
void ForeignCandidate::release_and_restart() {
  const auto end = [this](const Stored*) {
    world_.say(identity_, " lost");
    leave();
    start();
  };
  exchange(
      [this] {
        return Stored{Outcome::ok, server_.get()};
      },
      [this, end](const Stored* found) {
        if (found == nullptr || found->object == nullptr || observed_holder() != identity_) {
          return end(nullptr);
        }
        json body = *found->object;
        const std::int64_t transitions = number(spec_of(found->object), "leaseTransitions");
        body["spec"] = {
            {"holderIdentity", ""}, {"leaseDurationSeconds", 1}, {"leaseTransitions", transitions}};
        exchange([this, body] { return server_.put(body, identity_ + " releases"); }, end);
      });
}

}  // namespace baton::simulation
