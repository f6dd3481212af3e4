// The watch of a simulated sidecar: in order, but late, repeated, silent or broken.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "simulation/sidecar.h"

namespace baton::simulation {

using devserver::Change;
using devserver::ChangeKind;
using election::FailureKind;
using election::Watched;
using election::WatchEventKind;

void Sidecar::start_watch(election::WatchId id, election::Revision from) {
  stop_watch();
  watch_ = Watch{};
  watch_.id = id;
  if (lost(machine_.link.out_cut_until)) {
    later(options_.election.timings.request_timeout,
          election::WatchEnded{id, {FailureKind::unknown, {}, "could not connect"}});
    return;
  }
  world_.after(delay(), [this, id, from] {
    if (!alive_ || watch_.id != id) {
      return;
    }
    if (server_.down()) {
      later(delay(), election::WatchEnded{id, {FailureKind::unavailable, {}, "503"}});
      return;
    }
    watch_.open = true;
    watch_.deaf = world_.now() < machine_.link.stalled_until;
    watch_.last = world_.now();
    watch_.subscription =
        server_.watch(from, [this, id](const Change& change) { watched(id, change); });
    if (watch_.subscription == 0) {
      watch_.open = false;
      ++counts_.faults["watch gone"];
      later(delay(), election::WatchEnded{id, {FailureKind::gone, {}, "410"}});
      return;
    }
    bookmark(id);
    world_.after(world_.random().between(60s, 300s), [this, id] {
      if (watch_.open && watch_.id == id) {
        break_watch(FailureKind::unknown);  // timeoutSeconds
      }
    });
  });
}

void Sidecar::stop_watch() {
  server_.unwatch(watch_.subscription);
  watch_.subscription = 0;
  watch_.open = false;
  watch_.id = 0;
}

void Sidecar::break_watch(FailureKind kind) {
  if (!watch_.open) {
    return;
  }
  const election::WatchId id = watch_.id;
  server_.unwatch(watch_.subscription);
  watch_.subscription = 0;
  watch_.open = false;
  watch_ends(election::WatchEnded{id, {kind, {}, "the watch ended"}});
}

// After the events that came before, as on any stream; a deaf one never hears of it.
void Sidecar::watch_ends(election::WatchEnded end) {
  if (!watch_.deaf) {
    world_.at(std::max(watch_.last + 1us, world_.now() + delay()),
              [this, end = std::move(end)] { deliver(end); });
  }
}

void Sidecar::bookmark(election::WatchId id) {
  world_.after(world_.random().between(5s, 60s), [this, id] {
    if (alive_ && watch_.open && watch_.id == id) {
      watch_delivers({id, WatchEventKind::bookmark, server_.revision(), std::nullopt});
      bookmark(id);
    }
  });
}

void Sidecar::watched(election::WatchId id, const Change& change) {
  if (!alive_ || watch_.id != id) {
    return;
  }
  if (change.kind == ChangeKind::ended) {
    watch_.open = false;
    watch_.subscription = 0;
    watch_ends(election::WatchEnded{id, {FailureKind::unknown, {}, "connection reset"}});
    return;
  }
  const LeaseView lease = server_.decode(change.object);
  const auto kind =
      change.kind == ChangeKind::deleted ? WatchEventKind::deleted : WatchEventKind::changed;
  watch_delivers({id, kind, change.revision, *lease});
}

// A connection that loses a segment while the link is cut may deliver all of it once it heals, or
// stay dead without a word.
void Sidecar::watch_delivers(Watched event) {
  if (watch_.deaf) {
    return;
  }
  Random& random = world_.random();
  const Link& link = machine_.link;
  Duration late = delay();
  if (world_.now() < link.stalled_until) {
    watch_.deaf = true;
    return;
  }
  if (world_.now() < link.in_cut_until) {
    if (random.chance(0.5)) {
      watch_.deaf = true;
      return;
    }
    late += link.in_cut_until - world_.now();
  }
  const bool repeats = random.chance(world_.now() < link.stale_until ? 0.5 : 0.02);
  watch_.last = std::max(watch_.last + 1us, world_.now() + late);
  const auto arrives = [this](Time when, Watched what) {
    world_.at(when, [this, what = std::move(what)] { deliver(what); });
  };
  if (repeats && watch_.previous && world_.now() < link.stale_until) {
    ++counts_.faults["old event"];
    arrives(watch_.last, *watch_.previous);
  }
  arrives(watch_.last, event);
  if (repeats) {
    arrives(watch_.last + 10us, event);
  }
  watch_.previous = std::move(event);
}

}  // namespace baton::simulation
