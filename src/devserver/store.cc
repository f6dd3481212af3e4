#include "devserver/store.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

namespace baton::devserver {
namespace {

using nlohmann::json;

const json* find_metadata(const json& object, const char* field) {
  const auto meta = object.find("metadata");
  if (meta == object.end() || !meta->is_object()) return nullptr;
  const auto found = meta->find(field);
  return found == meta->end() ? nullptr : &*found;
}

json& metadata_of(json& object) {
  json& meta = object["metadata"];
  if (!meta.is_object()) meta = json::object();
  return meta;
}

// What every stored object carries.
void identify(json& body, const Key& key, const std::string& uid) {
  json& meta = metadata_of(body);
  meta.erase("managedFields");
  meta["name"] = key.name;
  if (!key.name_space.empty()) meta["namespace"] = key.name_space;
  meta["uid"] = uid;
}

// An update cannot change what only the server writes.
void keep_server_fields(json& body, const json& stored) {
  json& meta = metadata_of(body);
  for (const char* field :
       {"creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    if (const json* kept = find_metadata(stored, field)) {
      meta[field] = *kept;
    } else {
      meta.erase(field);
    }
  }
}

}  // namespace

std::string metadata(const json& object, const char* field) {
  const json* found = find_metadata(object, field);
  return found != nullptr && found->is_string() ? found->get<std::string>() : "";
}

bool Scope::contains(const Key& key) const {
  return resource == key.resource && (name_space.empty() || name_space == key.name_space) &&
         (name.empty() || name == key.name);
}

Store::Store(Revision start, std::uint64_t uid_seed)
    : revision_(start), compacted_(start), uid_seed_(uid_seed) {}

std::string Store::next_uid() {
  char text[40];
  std::snprintf(text, sizeof text, "%08x-0000-4000-8000-%012llx",
                static_cast<unsigned>(uid_seed_ & 0xffffffffU),
                static_cast<unsigned long long>(++uids_ & 0xffffffffffffULL));
  return text;
}

Stored Store::commit(ChangeKind kind, const Key& key, json body, const std::string& uid) {
  ++revision_;
  identify(body, key, uid);
  body["metadata"]["resourceVersion"] = std::to_string(revision_);
  auto object = std::make_shared<const json>(std::move(body));
  if (kind == ChangeKind::deleted) {
    objects_.erase(key);
  } else {
    objects_[key] = object;
  }
  publish({kind, revision_, key, object});
  return {kind == ChangeKind::added ? Outcome::created : Outcome::ok, object};
}

void Store::publish(Change change) {
  for (const auto& [id, subscriber] : subscribers_) {
    if (change.revision > subscriber.from && subscriber.scope.contains(change.key)) {
      subscriber.watcher(change);
    }
  }
  history_.push_back(std::move(change));
  if (history_.size() > kHistoryLimit) compact(history_.front().revision);
}

Stored Store::create(const Key& key, json body) {
  if (objects_.contains(key)) return {Outcome::exists, nullptr};
  return commit(ChangeKind::added, key, std::move(body), next_uid());
}

Stored Store::put(const Key& key, json body) {
  const std::string uid = metadata(body, "uid");
  const Object stored = get(key);
  if (!stored)
    return uid.empty() ? create(key, std::move(body)) : Stored{Outcome::conflict, nullptr};
  const std::string stored_uid = metadata(*stored, "uid");
  const std::string version = metadata(body, "resourceVersion");
  if (!uid.empty() && uid != stored_uid) return {Outcome::conflict, nullptr};
  if (version.empty()) return {Outcome::invalid, nullptr};
  if (version != metadata(*stored, "resourceVersion")) return {Outcome::conflict, nullptr};
  keep_server_fields(body, *stored);
  identify(body, key, stored_uid);
  if (body == *stored) return {Outcome::ok, stored};
  return commit(ChangeKind::modified, key, std::move(body), stored_uid);
}

Stored Store::overwrite(const Key& key, json body) {
  const Object stored = get(key);
  if (!stored) return create(key, std::move(body));
  return commit(ChangeKind::modified, key, std::move(body), metadata(*stored, "uid"));
}

Stored Store::remove(const Key& key, const std::string& uid, const std::string& version) {
  const Object stored = get(key);
  if (!stored) return {Outcome::not_found, nullptr};
  const std::string stored_uid = metadata(*stored, "uid");
  if ((!uid.empty() && uid != stored_uid) ||
      (!version.empty() && version != metadata(*stored, "resourceVersion"))) {
    return {Outcome::conflict, nullptr};
  }
  return commit(ChangeKind::deleted, key, *stored, stored_uid);
}

Object Store::get(const Key& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : found->second;
}

Listing Store::list(const Scope& scope) const {
  Listing listing{revision_, {}};
  for (const auto& [key, object] : objects_) {
    if (scope.contains(key)) listing.objects.push_back(object);
  }
  return listing;
}

Subscription Store::subscribe(Scope scope, Revision from, Watcher watcher) {
  if (from < compacted_) return 0;
  for (const Change& change : history_) {
    if (change.revision > from && scope.contains(change.key)) watcher(change);
  }
  subscribers_.emplace(++subscriptions_, Subscriber{std::move(scope), from, std::move(watcher)});
  return subscriptions_;
}

void Store::unsubscribe(Subscription id) { subscribers_.erase(id); }

void Store::compact(Revision revision) {
  while (!history_.empty() && history_.front().revision <= revision) history_.pop_front();
  compacted_ = std::max(compacted_, std::min(revision, revision_));
}

void Store::restore(const Snapshot& snapshot, Revision bump) {
  revision_ = snapshot.revision + bump;
  objects_ = snapshot.objects;
  history_.clear();
  compacted_ = revision_;
  const auto ended = std::exchange(subscribers_, {});
  for (const auto& [id, subscriber] : ended) {
    subscriber.watcher({ChangeKind::ended, revision_, {}, nullptr});
  }
}

}  // namespace baton::devserver
