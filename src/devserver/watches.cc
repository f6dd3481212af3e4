#include "devserver/watches.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "base/text.h"
#include "devserver/answers.h"

namespace baton::devserver {

using nlohmann::json;

namespace {

const char* type_of(ChangeKind kind) {
  return kind == ChangeKind::added ? "ADDED" : kind == ChangeKind::deleted ? "DELETED" : "MODIFIED";
}

}  // namespace

struct Watches::Watch {
  std::shared_ptr<http::Exchange> exchange;
  Met met;
  Scope scope;
  std::string kind, version;
  bool bookmarks = false;
  bool stalled = false;  // for ever: what it missed cannot be made up for
  Subscription subscription = 0;
  std::vector<std::function<void()>> timers;  // each cancels one
};

void Watches::start(std::shared_ptr<http::Exchange> exchange, const ApiRequest& request,
                    const std::string& user) {
  const auto from = request.from.empty() ? 0 : parse_integer(request.from, 0, INT64_MAX);
  if (!from) {
    exchange->reply(failure(500, "", "resourceVersion: Invalid value: \"" + request.from + "\""));
    return;
  }
  const Id id = ++last_id_;
  auto watch = std::make_shared<Watch>();
  watch->exchange = std::move(exchange);
  watch->met = {user, "watch", request.access.resource, request.selected};
  watch->scope = {request.access.resource, request.access.name_space, request.selected};
  watch->kind = request.kind;
  watch->version = request.version;
  watch->bookmarks = request.bookmarks;
  watches_[id] = watch;
  // The store may be in the middle of telling its watchers when the client's going is noticed.
  watch->exchange->on_closed([this, id] { server_->post([this, id] { end(id); }); });
  watch->exchange->start_stream({200, {{"Content-Type", "application/json"}}, ""});
  follow(id, request, *from);
}

void Watches::follow(Id id, const ApiRequest& request, Revision from) {
  const auto watch = watches_[id];
  if (from == 0) {
    for (const Object& object : store_.list(watch->scope).objects) send(*watch, "ADDED", *object);
    from = store_.revision();
  }
  watch->subscription = store_.subscribe(watch->scope, from, [this, id, watch](const Change& c) {
    if (c.kind == ChangeKind::ended) {
      server_->post([this, id] { end(id); });
    } else {
      send(*watch, type_of(c.kind), *c.object);
    }
  });
  if (watch->subscription == 0) {
    send(*watch, "ERROR",
         failure_body(410, "Expired", "too old resource version: " + std::to_string(from)));
    end(id);
    return;
  }
  const auto timeout = std::chrono::seconds(request.timeout_s);
  watch->timers.push_back(server_->after(timeout, [this, id] { end(id); }));
  if (watch->bookmarks) {
    const auto before_end = timeout - std::min<Duration>(std::chrono::seconds(2), timeout / 2);
    watch->timers.push_back(server_->after(before_end, [this, watch] { bookmark(*watch); }));
    schedule_bookmark(id);
  }
}

void Watches::send(Watch& watch, const char* type, const json& object) {
  const Fault fault = faults_.for_event(watch.met, boot_now());
  if (watch.stalled || fault.kind == FaultKind::stall || fault.kind == FaultKind::partition) {
    watch.stalled = true;
    return;
  }
  json changed = object;
  if (fault.kind == FaultKind::alter) changed.merge_patch(json::parse(fault.patch));
  const std::string line = dump({{"type", type}, {"object", changed}}) + "\n";
  watch.exchange->write(line);
  if (fault.kind == FaultKind::duplicate) watch.exchange->write(line);
}

void Watches::bookmark(Watch& watch) {
  send(watch, "BOOKMARK",
       {{"kind", watch.kind},
        {"apiVersion", watch.version},
        {"metadata", {{"resourceVersion", std::to_string(store_.revision())}}},
        {"spec", json::object()}});
}

void Watches::schedule_bookmark(Id id) {
  const auto found = watches_.find(id);
  if (found == watches_.end()) return;
  const auto watch = found->second;
  watch->timers.push_back(server_->after(std::chrono::minutes(1), [this, id, watch] {
    bookmark(*watch);
    schedule_bookmark(id);
  }));
}

void Watches::end(Id id) {
  const auto found = watches_.find(id);
  if (found == watches_.end()) return;
  const auto watch = found->second;
  watches_.erase(found);
  store_.unsubscribe(watch->subscription);
  for (const auto& cancel : watch->timers) cancel();
  watch->exchange->close();
}

int Watches::close(const std::string& user) {
  std::vector<Id> ids;
  for (const auto& [id, watch] : watches_) {
    if (user.empty() || watch->met.user == user) ids.push_back(id);
  }
  for (const Id id : ids) end(id);
  return static_cast<int>(ids.size());
}

}  // namespace baton::devserver
