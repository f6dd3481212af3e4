#include "simulation/api_server.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "election/controls.h"
#include "kube/formats.h"
#include "kube/lease_codec.h"

namespace baton::simulation {
namespace {

using election::FailureKind;
using election::LeaseWrite;
using election::WriteKind;
using nlohmann::json;

constexpr std::size_t kSnapshots = 200;
const devserver::Scope kScope{kLeaseKey.resource, kLeaseKey.name_space, kLeaseKey.name};

// What people ask for is no part of the record.
std::string fingerprint(const election::Lease& lease) {
  std::string text = lease.uid + lease.spec;
  for (const auto& [key, value] : lease.annotations) {
    text += election::is_control(key) ? "" : '\n' + key + '=' + value;
  }
  return text;
}

election::Failure refusal(devserver::Outcome outcome) {
  switch (outcome) {
    case devserver::Outcome::invalid:
      return {FailureKind::refused, {}, "422 must be specified for an update"};
    case devserver::Outcome::not_found: return {FailureKind::not_found, {}, "404"};
    default: return {FailureKind::conflict, {}, "409 the object has been modified"};
  }
}

std::string described(const election::Lease& lease) {
  std::string text = "'" + lease.holder + "' for " + std::to_string(lease.duration_s.value_or(-1)) +
                     " s, transitions " + std::to_string(lease.transitions);
  for (const auto& [key, value] : lease.annotations) {
    text += ", " + key.substr(6) + "=" + value;
  }
  return text;
}

LeaseParts parts(json& object) {
  json& meta = object["metadata"];
  json& annotations = meta["annotations"];
  if (!annotations.is_object()) {
    annotations = json::object();
  }
  return {meta, annotations, object["spec"]};
}

}  // namespace

// Runs begin at noon: an error of hours stays within the day.
std::string ApiServer::clock_text(Time at) {
  const auto us = std::chrono::floor<std::chrono::microseconds>(12h + at).count();
  char text[32];
  std::snprintf(text, sizeof text, "2026-01-01T%02d:%02d:%02d.%06dZ",
                static_cast<int>(us / 3'600'000'000 % 24), static_cast<int>(us / 60'000'000 % 60),
                static_cast<int>(us / 1'000'000 % 60), static_cast<int>(us % 1'000'000));
  return text;
}

std::optional<Time> ApiServer::clock_time(const std::string& text) {
  constexpr std::int64_t kNoon_s = 1'767'268'800;  // 2026-01-01T12:00:00Z
  const auto epoch_s = kube::parse_rfc3339(text);
  return epoch_s ? std::optional(Time(std::chrono::seconds(*epoch_s - kNoon_s))) : std::nullopt;
}

std::string ApiServer::stamp(Duration error) const { return clock_text(world_.now() + error); }

ListReply ApiServer::list() { return {store_.revision(), lease_json_.decode(get())}; }

std::string ApiServer::encode(const LeaseWrite& write, Duration error) const {
  return kube::encode_write(write, kLeaseKey.name_space, kLeaseKey.name, stamp(error));
}

WriteReply ApiServer::write(ProcessId from, const LeaseWrite& write, const std::string& text,
                            Instant sent_at) {
  if (write.kind == WriteKind::create && world_.now() < create_forbidden_until_) {
    return {election::Failure{FailureKind::refused, {}, "403 create is not allowed"}, nullptr};
  }
  json body = json::parse(text);
  if (world_.now() < strip_until_) {
    for (const std::string& key : stripped_) {
      body["metadata"]["annotations"].erase(key);
    }
  }
  const election::Revision before = store_.revision();
  const devserver::Stored stored = store_.put(kLeaseKey, std::move(body));
  if (stored.object == nullptr) {
    world_.say("    server: ", to_string(write.kind), " over ", write.base.version.value_or(0),
               " refused");
    return {refusal(stored.outcome), nullptr};
  }
  if (store_.revision() != before) {
    invariants_.applied(from, write, *lease_json_.decode(stored.object), sent_at);
    committed(to_string(write.kind), world_.now() < strip_until_);
    if (write.kind == WriteKind::acquire && world_.now() < ambush_until_) {
      ambush();
    }
  }
  return {std::nullopt, lease_json_.decode(stored.object)};
}

devserver::Subscription ApiServer::watch(election::Revision from, devserver::Watcher watcher) {
  return store_.subscribe(kScope, from, std::move(watcher));
}

void ApiServer::committed(const std::string& who, bool by_hand) {
  current_ = lease_json_.decode(get());
  if (current_ != nullptr) {
    // A record that comes back byte for byte is as old as it was: its holder renewed nothing since.
    since_[{current_->uid, current_->version.value_or(0)}] =
        first_seen_.emplace(fingerprint(*current_), world_.now()).first->second;
    if (current_->duration_s.value_or(0) <= 3600) {  // longer ones are not waited for
      longest_duration_s_ = std::max(longest_duration_s_, current_->duration_s.value_or(0));
    }
  }
  if (world_.tracing()) {
    world_.say("    server: revision ", store_.revision(), " by ", who, ": ",
               current_ == nullptr ? "no Lease" : described(*current_));
  }
  invariants_.record_became(current_.get(), store_.revision(), by_hand);
  snapshots_.emplace_back(world_.now(), store_.snapshot());
  if (snapshots_.size() > kSnapshots) {
    snapshots_.pop_front();
  }
}

Time ApiServer::since(const election::Lease& lease) const {
  const auto found = since_.find({lease.uid, lease.version.value_or(0)});
  return found == since_.end() ? world_.now() : found->second;
}

devserver::Stored ApiServer::put(json body, const std::string& who) {
  body["spec"]["renewTime"] = stamp();
  const bool creates = current_ == nullptr;
  const devserver::Stored stored = store_.put(kLeaseKey, std::move(body));
  if (stored.object != nullptr) {
    committed(who, creates);
  }
  return stored;
}

bool ApiServer::edit(const std::string& who, const std::function<void(LeaseParts)>& change) {
  if (down() || current_ == nullptr) {
    return false;
  }
  json body = *get();
  change(parts(body));
  store_.overwrite(kLeaseKey, std::move(body));
  committed("hand: " + who, true);
  return true;
}

bool ApiServer::remove(const std::string& who) {
  if (down() || current_ == nullptr) {
    return false;
  }
  store_.remove(kLeaseKey);
  committed("hand: " + who, true);
  return true;
}

bool ApiServer::create(const std::string& holder, std::int64_t duration_s, bool with_token) {
  if (down() || current_ != nullptr) {
    return false;
  }
  json body = {{"spec", {{"holderIdentity", holder}, {"leaseDurationSeconds", duration_s}}}};
  if (with_token) {
    body["metadata"]["annotations"][election::annotation::kFencingToken] =
        std::to_string(std::max<election::Token>(1, invariants_.highest_acquired()));
  }
  store_.create(kLeaseKey, std::move(body));
  committed("hand: create", true);
  return true;
}

void ApiServer::other_write() {
  if (!down()) {
    store_.overwrite({"configmaps", "default", "other"}, {{"at", world_.now().count()}});
  }
}

void ApiServer::go_down_until(Time until) {
  down_until_ = std::max(down_until_, until);
  world_.say("    server: down until ", seconds(down_until_));
}

Duration ApiServer::lag(int front) const {
  const Front& server = fronts_.at(front);
  return world_.now() < server.lags_until ? server.lag : 0s;
}

void ApiServer::fall(int front, Time until) {
  Front& server = fronts_.at(front);
  ++server.falls;
  server.down_until = std::max(server.down_until, until);
  world_.say("    API server ", front, " down until ", seconds(until));
}

void ApiServer::fall_behind(int front, Duration lag, Time until) {
  Front& server = fronts_.at(front);
  server.lag = lag;
  server.lags_until = until;
  world_.say("    API server ", front, " shows watches what was ", seconds(lag), " s ago, until ",
             seconds(until));
}

bool ApiServer::compact() {
  if (down()) {
    return false;
  }
  store_.compact(store_.revision());
  return true;
}

bool ApiServer::restore(Duration age, election::Revision bump, Duration downtime) {
  const auto newer = std::find_if(snapshots_.begin(), snapshots_.end(), [&](const auto& snapshot) {
    return snapshot.first > world_.now() - age;
  });
  if (down() || newer == snapshots_.begin()) {
    return false;
  }
  const devserver::Snapshot snapshot = std::prev(newer)->second;
  snapshots_.erase(newer, snapshots_.end());
  ++epoch_;
  invariants_.history_restarted();
  go_down_until(world_.now() + downtime);
  const election::Revision lost = bump > 0 ? store_.revision() - snapshot.revision : 0;
  store_.restore(snapshot, lost + bump);
  committed("restore", true);
  return true;
}

void ApiServer::ambush() {
  world_.after(world_.random().between(0ms, 15ms), [this] {
    if (world_.random().chance(0.5)) {
      remove("delete what was just acquired");
    } else {
      edit("clear what was just acquired",
           [](LeaseParts lease) { lease.spec["holderIdentity"] = ""; });
    }
  });
}

void ApiServer::strip(std::vector<std::string> annotations, Time until) {
  stripped_ = std::move(annotations);
  strip_until_ = until;
}

void ApiServer::heal() {
  for (Front& server : fronts_) {
    server.down_until = server.lags_until = Time{0};
  }
  down_until_ = Time{0};
  create_forbidden_until_ = Time{0};
  strip_until_ = Time{0};
  ambush_until_ = Time{0};
  mend_record();
}

void ApiServer::mend_record() {
  if (current_ == nullptr) {
    return;
  }
  if (current_->being_deleted) {
    remove("finalizer done");
    return;
  }
  const bool token_invalid =
      !current_->annotated(election::annotation::kFencingToken).empty() && token_of(*current_) == 0;
  const std::int64_t duration_s = current_->duration_s.value_or(1);
  if (token_invalid || !current_->strategy.empty() || duration_s > 3600) {
    edit("mend", [&](LeaseParts lease) {
      lease.spec.erase("strategy");
      lease.spec.erase("preferredHolder");
      if (duration_s > 3600) {
        lease.spec["leaseDurationSeconds"] = 1;
      }
      if (token_invalid) {
        lease.annotations[election::annotation::kFencingToken] =
            std::to_string(std::max<election::Token>(1, invariants_.highest_acquired()));
      }
    });
  }
}

}  // namespace baton::simulation
