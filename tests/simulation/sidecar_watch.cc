// The watch of a simulated sidecar: as late as the API server's cache; repeated, mixed up, silent
// or broken.
#include <algorithm>

#include "simulation/sidecar.h"

namespace baton::simulation {

using devserver::Change;
using devserver::ChangeKind;
using election::FailureKind;
using election::WatchEnded;
using election::WatchEventKind;

void Sidecar::start_watch(election::WatchId id, election::Revision from) {
  stop_watch();
  watch_ = Watch{};
  watch_.id = id;
  if (lost(machine_.link.out_cut_until)) {
    watch_fails(id, options_.election.timings.request_timeout, FailureKind::unknown,
                "could not connect");
    return;
  }
  world_.after(delay(), [this, id, from] {
    if (!alive_ || watch_.id != id) {
      return;
    }
    if (unreachable()) {
      watch_fails(id, delay(), FailureKind::unavailable, "503");
      return;
    }
    watch_.open = true;
    watch_.front = machine_.front;
    watch_.deaf = world_.now() < machine_.link.stalled_until;
    watch_.last = world_.now();
    watch_.subscription =
        server_.watch(from, [this, id](const Change& change) { watched(id, change); });
    if (watch_.subscription == 0) {
      watch_.open = false;
      ++counts_.faults["watch from a compacted revision (F18)"];
      watch_fails(id, delay(), FailureKind::gone, "410");
      return;
    }
    bookmark(id);
    world_.after(world_.random().between(60s, 300s), [this, id] {
      if (watch_.open && watch_.id == id) {
        break_watch(FailureKind::ended);  // timeoutSeconds
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
  watch_ends(id, kind, "the watch ended");
}

// After the events that came before, as on any stream; a deaf one never hears of it.
void Sidecar::watch_ends(election::WatchId id, FailureKind kind, const char* what) {
  if (!watch_.deaf) {
    const Time when = std::max({watch_.last, watch_.overtaken, world_.now() + delay()}) + 1us;
    watch_fails(id, when - world_.now(), kind, what);
  }
}

void Sidecar::watch_fails(election::WatchId id, Duration delay, FailureKind kind,
                          const char* what) {
  world_.after(delay, [this, id, kind, what] { deliver(WatchEnded{id, {kind, {}, what}}); });
}

void Sidecar::bookmark(election::WatchId id) {
  world_.after(world_.random().between(5s, 60s), [this, id] {
    if (alive_ && watch_.open && watch_.id == id) {
      watch_delivers({id, WatchEventKind::bookmark, server_.revision(), nullptr});
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
    watch_ends(id, FailureKind::unknown, "connection reset");
    return;
  }
  const auto kind =
      change.kind == ChangeKind::deleted ? WatchEventKind::deleted : WatchEventKind::changed;
  watch_delivers({id, kind, change.revision, server_.decode(change.object)});
}

void Sidecar::arrives(Time when, Line line) {
  world_.at(when, [this, line = std::move(line)] {
    if (!alive_) {
      return;
    }
    election::Watched event{line.id, line.kind, line.revision, std::nullopt};
    if (line.lease != nullptr) {
      event.lease = shown(*line.lease);
    }
    deliver(std::move(event));
  });
}

// A connection that loses a segment while the link is cut may deliver all of it once it heals, or
// stay dead without a word. A bookmark promises that everything before it was sent: no event is
// late for it.
void Sidecar::watch_delivers(Line line) {
  if (watch_.deaf) {
    return;
  }
  Random& random = world_.random();
  const Link& link = machine_.link;
  Duration late = delay() + server_.lag(watch_.front);
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
  if (world_.now() < link.mixed_until && line.lease != nullptr && random.chance(0.5)) {
    ++counts_.faults["event overtaken (F19)"];
    const Time when = std::max(watch_.last + 1us, world_.now() + late) +
                      random.between(0s, options_.election.timings.request_timeout);
    watch_.overtaken = std::max(watch_.overtaken, when);
    arrives(when, std::move(line));
    return;
  }
  const bool repeats = random.chance(world_.now() < link.stale_until ? 0.5 : 0.02);
  watch_.last = std::max(watch_.last + 1us, world_.now() + late);
  if (line.kind == WatchEventKind::bookmark) {
    watch_.last = std::max(watch_.last, watch_.overtaken + 1us);
  }
  if (repeats && watch_.previous && world_.now() < link.stale_until) {
    ++counts_.faults["event old (F18)"];
    arrives(watch_.last, *watch_.previous);
  }
  arrives(watch_.last, line);
  if (repeats) {
    ++counts_.faults["event twice (F18)"];
    arrives(watch_.last + 10us, line);
  }
  watch_.previous = std::move(line);
}

}  // namespace baton::simulation
