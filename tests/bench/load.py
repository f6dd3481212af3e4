"""What candidates ask of the API server, counted by the API server: in its metrics while nothing
happens, and in its audit log at hand-overs. Beside client-go with as many candidates."""

import contextlib
import json
import random
import re
import time

import candidates
import harness
import plots
from answers import resign
from candidates import Candidate, DURATIONS, Election
from handover import PAUSES_S
from harness import NAMESPACE

SECTION = "load on the API server"
RBAC = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"
BATCH = 30  # candidates that start at once
ATTEMPTS = 2
ROUNDS = {"baton": (9, 20), "client-go": (3, 20)}  # hand-overs of each size: quick, full
LEASES = {3: "e30", 10: "e31", 30: "e32", 100: "e33", 300: "e34", 500: "e35"}
# Metrics of the API server, and how the sums of their series are called here.
COUNTED = {
    "apiserver_request_total": "requests",
    "apiserver_request_body_size_bytes_sum": "request bytes",
    "apiserver_response_sizes_sum": "response bytes",
    "apiserver_watch_events_total": "watch events",
    "apiserver_watch_events_sizes_sum": "watch event bytes",
}


class Crowd(Election):
    """Candidates on one Lease, started a few at a time."""

    def __init__(self, stage, kind, lease, size):
        super().__init__(stage, kind, lease, 0)
        flags = ["--replicas", str(size)] if kind == "baton" else []
        # Made when it is started: its ports are free now.
        self._make = lambda index: Candidate(stage, kind, index, lease, DURATIONS[kind] + flags)
        self._size = size

    def __enter__(self):
        for first in range(0, self._size, BATCH):
            batch = [self._make(index) for index in range(first, min(first + BATCH, self._size))]
            for candidate in batch:
                candidate.start()
                self.candidates.append(candidate)
            harness.until(lambda batch=batch: all(one.status() for one in batch), 120,
                          "a batch of candidates to listen")
        return self


def measure(stage, report, quick):
    if quick:
        idle_sizes, sizes, elections, idle_s = (3, 30), (3, 30, 100), 30, 8
    else:
        idle_sizes, sizes, elections, idle_s = (3, 30, 300), (3, 10, 30, 100, 300, 500), 300, 60
    report.note(SECTION, f"Requests on Leases over {idle_s} s in which nothing happens, from the"
                         " API server's own metrics, less what it asks itself. client-go: 15/10/2,"
                         " ReleaseOnCancel.")
    report.note(SECTION, "Attempts at a hand-over: the write that wins the Lease and those that are"
                         " refused, from the audit log. baton's leader gets POST"
                         " /resign?drained=true, client-go's SIGTERM.")
    own = rates(stage, idle_s, "no candidates")
    candidates.release(stage, [LEASES[size] for size in sizes])
    requests, attempts = {}, {}
    for kind in ("baton", "client-go"):
        requests[kind], attempts[kind] = [], []
        for size in sizes:
            lease = LEASES[size] if kind == "baton" else f"client-go-{size}"
            with Crowd(stage, kind, lease, size) as crowd:
                crowd.settle()
                if size in idle_sizes:
                    what = f"{kind}, {size} candidates of one election"
                    requests[kind].append((size, idle(stage, report, own, idle_s, what)))
                rounds = ROUNDS[kind][0 if quick else 1]
                attempts[kind].append((size, hand_overs(stage, report, crowd, lease, rounds)))
        with many_names(stage), contextlib.ExitStack() as stack:
            crowds = [stack.enter_context(Crowd(stage, kind, f"load-{number}", 3))
                      for number in range(elections)]
            for crowd in crowds:
                crowd.settle()
            idle(stage, report, own, idle_s, f"{kind}, {elections} elections of 3")
    for (size, ours), (_, theirs) in zip(requests["baton"], requests["client-go"]):
        report.goal(SECTION, f"requests of client-go over baton's, {size} candidates",
                    theirs / ours, 1, at_most=False)
    sizes = " / ".join(str(size) for size, _ in requests["baton"])
    report.glance(f"requests while nothing happens, {sizes} candidates",
                  [[per_s for _, per_s in found] for found in requests.values()], "per s")
    report.plot(SECTION, "requests-against-candidates", plots.lines(
        "Requests to the API server while nothing happens", requests,
        "candidates of one election", "requests/s"))
    report.plot(SECTION, "attempts-at-a-hand-over", plots.lines(
        "Writes at a hand-over, mean", attempts, "candidates of one election", "PUTs"))


def idle(stage, report, own, idle_s, what):
    """Requests per second; what was not asked for at all has no line."""
    time.sleep(2)  # what a candidate asks once at its start or for its first term is not idleness
    begin_s = time.time()
    found = rates(stage, idle_s, what)
    asked = [verb for user, verb, resource, _ in stage.cluster.audit(begin_s, begin_s + idle_s)
             if resource == "leases" and f":{NAMESPACE}:" in user]
    # What is about as much as the API server asks itself is its own.
    net = {key: per_s - own.get(key, 0) for key, per_s in found.items()
           if per_s > 1.5 * own.get(key, 0)}
    for (counted, verb), per_s in sorted(net.items()):
        report.figure(SECTION, f"{what}: {counted}{f', {verb}' if verb else ''}", per_s, "/s")
    total = sum(per_s for (counted, _), per_s in net.items() if counted == "requests")
    report.figure(SECTION, f"{what}: requests, all", total, "/s")
    report.figure(SECTION, f"{what}: watches begun", asked.count("watch") / idle_s, "/s")
    if what.startswith("baton"):
        report.goal(SECTION, f"{what}: reads/s by the audit log",
                    (asked.count("get") + asked.count("list")) / idle_s, 0)
    return total


def rates(stage, idle_s, what):
    """{(counted, verb): per second} on Leases; the verb is "" where the metric has none."""
    stage.progress(f"{what}: {idle_s} s of idleness")
    before, begin_ns = counts(stage.cluster), harness.now_ns()
    time.sleep(idle_s)
    after, end_ns = counts(stage.cluster), harness.now_ns()
    seconds = (end_ns - begin_ns) / 1e9
    return {key: (value - before.get(key, 0)) / seconds for key, value in after.items()}


def counts(cluster):
    with cluster.request("GET", "/metrics") as answer:
        return parse(answer.read().decode())


def parse(text):
    """Sums over all series of the counted metrics that speak of Leases, by verb."""
    sums = {}
    for name, labels, value in re.findall(r"^(\w+)\{(.*)\} (\S+)$", text, re.MULTILINE):
        if name not in COUNTED:
            continue
        found = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if found.get("resource") == "leases" or found.get("kind") == "Lease":
            key = (COUNTED[name], found.get("verb", ""))
            sums[key] = sums.get(key, 0) + float(value)
    return sums


@contextlib.contextmanager
def many_names(stage):
    """The candidates' accounts may elect through any Lease meanwhile."""
    role = {"metadata": {"name": "any-lease"},
            "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
                       "verbs": ["get", "list", "watch", "update", "create"]}]}
    binding = {"metadata": {"name": "any-lease"},
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role",
                           "name": "any-lease"},
               "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io",
                             "name": f"system:serviceaccounts:{NAMESPACE}"}]}
    objects = (("roles", role), ("rolebindings", binding))
    for kind, what in objects:
        stage.cluster.request("POST", f"{RBAC}/{kind}", what).close()
    try:
        yield
    finally:
        for kind, _ in objects:
            stage.cluster.request("DELETE", f"{RBAC}/{kind}/any-lease").close()


def hand_overs(stage, report, crowd, lease, rounds):
    """The mean number of candidates that write at a hand-over: one wins, the others are refused."""
    kind, size = crowd.candidates[0].kind, len(crowd.candidates)
    spans = []
    place = (stage.cluster.dir / "audit.log").stat().st_size
    for number in range(rounds):
        leader, _ = crowd.settle()
        stage.progress(f"{kind}, {size} candidates: hand-over {number + 1} of {rounds}")
        time.sleep(random.uniform(*PAUSES_S[kind]))
        begin_s = time.time()
        end(leader)
        crowd.settle()
        time.sleep(0.5)
        spans.append((begin_s, time.time()))
    refused = refused_writes(stage.cluster, place, lease, spans)
    attempts = [1 + one for one in refused]
    mean = sum(attempts) / len(attempts)
    report.row(SECTION, f"{kind}, {size} candidates: attempts at a hand-over", attempts, "PUTs")
    if kind == "baton":
        report.goal(SECTION, f"mean attempts at a hand-over of {size} candidates", mean, ATTEMPTS)
    return mean


def end(leader):
    if leader.kind == "baton":
        resign(leader)
    else:
        leader.terminate()
        leader.restart()


def refused_writes(cluster, place, lease, spans):
    """Of this Lease, in each span of wall clock, from this place of the audit log on."""
    refused = [0] * len(spans)
    with open(cluster.dir / "audit.log", encoding="utf-8") as log:
        log.seek(place)
        for event in map(json.loads, log):
            about = event.get("objectRef", {})
            what = (event["verb"], about.get("resource"), about.get("name"))
            if what != ("update", "leases", lease):
                continue
            received_s = harness.parse_time_s(event["requestReceivedTimestamp"])
            for number, (begin_s, end_s) in enumerate(spans):
                if begin_s <= received_s < end_s and event["responseStatus"]["code"] != 200:
                    refused[number] += 1
    return refused
