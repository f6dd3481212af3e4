"""How long a workload is without a leader when the leader ends in good order.

Elections hand over on a real API server: baton's beside the floor, which is what the API server
alone needs for it, and beside client-go's. Every time is from the end signal to the first "yes" of
another candidate's local HTTP. Then: what candidates ask the API server while nothing happens, and
when a leader that got SIGTERM without any proof that its work has ended releases the Lease.
"""

import concurrent.futures
import contextlib
import json
import random
import subprocess
import time

import candidates
import harness
import plots
from candidates import Election, FirstYes
from harness import BenchError, now_ns
from report import percentile, percentiles

WAYS_SECTION = "graceful hand-over, 3 candidates"
FLOOR_SECTION = "graceful hand-over beside the floor"
PEERS_SECTION = "graceful hand-over of peers with other durations, 3 candidates"
TARGET_RATIO = 20  # ours at most a twentieth of client-go's p50
WORKS_ON_S = 0.05  # an application after its SIGTERM


# How each round ends the leader. Each calls wake() and returns when the end began (boottime ns); it may
# block. Where the application speaks first, its word is where the time begins.

def end_by_sigterm(leader, _, wake):
    wake()
    begin_ns = now_ns()
    leader.terminate()
    return begin_ns


def end_by_drained(leader, connection, wake):
    term = json.loads(connection.ask("GET", "/leader")[1])["termId"]
    body = json.dumps({"termId": term}).encode()
    wake()
    begin_ns = now_ns()
    connection.post("/drained", body)
    leader.terminate()
    return begin_ns


def end_by_held_stream(leader, connection, wake):
    connection.follow("?hold=true")
    wake()
    begin_ns = now_ns()
    leader.terminate()
    connection.close()
    return begin_ns


def end_by_held_stream_later(leader, connection, wake):
    connection.follow("?hold=true")
    leader.terminate()
    time.sleep(WORKS_ON_S)
    wake()
    begin_ns = now_ns()
    connection.close()
    return begin_ns


def end_by_resign(_, connection, wake):
    wake()
    begin_ns = now_ns()
    connection.post("/resign?drained=true&wait=10s")
    return begin_ns


WAYS = {
    "drained": ("baton", "baton, SIGTERM after POST /drained", end_by_drained),
    "held": ("baton", "baton, SIGTERM, held event stream closes", end_by_held_stream),
    "resign": ("baton", "baton, POST /resign?drained=true&wait=10s", end_by_resign),
    "client-go": ("client-go", "client-go 15/10/2, ReleaseOnCancel, SIGTERM", end_by_sigterm),
}
BESIDE_FLOOR = {  # with 2 followers; with other numbers the first alone
    "SIGTERM after POST /drained": end_by_drained,
    "POST /resign?drained=true": end_by_resign,
    "held event stream closes after SIGTERM": end_by_held_stream_later,
}
FOLLOWERS = {1: (20, 100), 2: (45, 300), 9: (15, 100), 99: (6, 40)}  # rounds: quick, full
# A pause before each end, so that the retries of a peer stand anywhere in their period.
PAUSES_S = {"baton": (0.2, 0.6), "client-go": (1, 3.4)}
PEERS = {  # name: Lease, pause, asked by name, flags
    "client-go 15/12/5": ("peer-slow", (1, 7), False, [
        "--lease-duration", "15s", "--renew-deadline", "12s", "--retry-period", "5s",
        "--release-on-cancel"]),
    "legacy 10/5/2.5": ("peer-legacy", (1, 4), True, [
        "--lease-duration", "10s", "--renew-deadline", "5s", "--retry-period", "2500ms"]),
}
IDLE_S, IDLE_WAY = 125, "SIGTERM after POST /drained"  # of which no follower hears before
# One Lease for each of its elections, apart from those of crash.
LEASES = {"baton": "bench", "client-go": "e49"}
FLOOR_LEASES, PROOFLESS_LEASE = ("e48", "e29"), "e47"
SERIES_LEASES = {1: "e40", 2: "e41", 9: "e42", 99: "e43"}
IDLE_LEASES = [f"e{number}" for number in range(30, 40)]


class Floor:
    """The least that the API server allows; see floor.cc."""

    def __init__(self, stage, lease):
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", stage.build / "bench_floor",
             stage.kubeconfig("candidate-0"), harness.NAMESPACE, lease],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(5):
            self.round_ms()  # everything is warm then

    def close(self):
        self._process.kill()
        self._process.communicate()

    def round_ms(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise BenchError(f"bench_floor ended with status {self._process.wait()}")
        return int(answer) / 1e6


class Turns:
    """A round of the floor, then a hand-over. Each comes after such a pause and right after such writes of
    somebody else, so that API server, etcd and disk are as awake for the one as for the other, and the
    processes of both have been idle."""

    def __init__(self, stage):
        self._waker, self._floor = (Floor(stage, lease) for lease in FLOOR_LEASES)
        self.floor_ms = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._waker.close()
        self._floor.close()

    @staticmethod
    def _pause():
        time.sleep(random.uniform(*PAUSES_S["baton"]) / 2)

    def hand_over_ms(self, leader, followers, end):
        self._pause()
        self._waker.round_ms()
        self.floor_ms.append(self._floor.round_ms())
        self._pause()
        return hand_over_from_ms(leader, followers, end, self._waker.round_ms)


def hand_over_ms(election, end, pause_s, by_name=False):
    leader, followers = election.settle()
    time.sleep(random.uniform(*pause_s))
    return hand_over_from_ms(leader, followers, end, by_name=by_name)


def hand_over_from_ms(leader, followers, end, wake=lambda: None, by_name=False):
    """One round: ends the leader, returns the time to the next yes, and restarts what ended."""
    connection = leader.connect()
    with (FirstYes(followers, by_name=by_name) as first_yes,
          concurrent.futures.ThreadPoolExecutor(1) as pool):
        waiting = pool.submit(first_yes.wait_ns, 60, f"the end of {leader.name}")
        try:
            begin_ns = end(leader, connection, wake)
            yes_ns = waiting.result()
        finally:
            connection.close()
    if end is not end_by_resign:
        leader.restart()
    return (yes_ns - begin_ns) / 1e6


def measure(stage, report, quick):
    candidates.release(stage, [LEASES["baton"], PROOFLESS_LEASE, *SERIES_LEASES.values(),
                               *([] if quick else IDLE_LEASES)])
    peers = measure_ways(stage, report, quick)
    peers |= measure_peers(stage, report, 2 if quick else 12)
    times = measure_beside_floor(stage, report, quick) | peers
    if quick:
        report.note(FLOOR_SECTION, f"Left out by --quick: followers that were idle for {IDLE_S} s.")
    else:
        measure_idle_followers(stage, report, 2)
    report.plot(FLOOR_SECTION, "hand-over", plots.distribution(
        "Graceful hand-over, 2 followers", times, "without a leader, ms"))
    report_proofless(report, proofless(stage, 1 if quick else 3))


def measure_ways(stage, report, quick):
    rounds, idle_s = (5, 8) if quick else (20, 30)
    times = {}
    for kind, lease in LEASES.items():
        with Election(stage, kind, lease) as election:
            stage.progress(f"{kind}: {idle_s} s of idleness")
            report_idle(report, *watch_idleness(stage.cluster, election, idle_s), idle_s)
            for way, (ended, name, end) in WAYS.items():
                if ended == kind:
                    stage.progress(f"{name}: {rounds} rounds")
                    times[way] = [hand_over_ms(election, end, PAUSES_S[kind])
                                  for _ in range(rounds)]
    report_times(report, times, stage.delay_ms)
    return {"client-go 15/10/2": times["client-go"]}


def measure_peers(stage, report, rounds):
    """Both at once: their times are seconds."""
    def run(lease, pause_s, by_name, flags):
        with Election(stage, "client-go", lease, flags=flags) as election:
            return [hand_over_ms(election, end_by_sigterm, pause_s, by_name)
                    for _ in range(rounds)]
    stage.progress(f"peers with other durations: {rounds} rounds")
    with concurrent.futures.ThreadPoolExecutor(len(PEERS)) as pool:
        running = {name: pool.submit(run, *how) for name, how in PEERS.items()}
        times = {name: one.result() for name, one in running.items()}
    report.note(PEERS_SECTION, "SIGTERM to the leader. client-go's own checks allow the durations"
                " of baton's profile balanced: 15/12/5, with ReleaseOnCancel. The legacy sidecar is"
                " client-go as the retired leader-elector used it: ttl, ttl/2 and ttl/4, never a"
                " release, and an application that compares its name with that in GET /.")
    for name, values in times.items():
        report.row(PEERS_SECTION, name, values, "ms")
    return times


def measure_beside_floor(stage, report, quick):
    """Rounds of the floor and of hand-overs in turn, with few and many followers."""
    report.note(FLOOR_SECTION, "The floor: one release PUT, its watch event at another client, that"
                " client's acquire PUT, on warm raw TLS connections. Its rounds and baton's take"
                " turns, each after a pause and right after such a round of a third client."
                " baton's begin where its application says or shows that its work has ended, and end when"
                " the kernel has received the yes, as the floor's end when its process has read the answer;"
                f" one whose stream closes works on for {WORKS_ON_S * 1e3:.0f} ms after SIGTERM."
                " An application that ends at once with SIGTERM (above) finds baton writing that"
                " the term drains, and the release waits for that write. More than two"
                " followers each wait for their place before they write, so that a crowd does not collide;"
                " of two, the one that was passed over the last time leaves the first write to the other"
                " (R17).")
    shown, lines = {}, {"baton p50": [], "baton p99": [], "floor p50": []}
    for followers, rounds in FOLLOWERS.items():
        rounds = rounds[0 if quick else 1]
        ways = list(BESIDE_FLOOR.items())[:None if followers == 2 else 1]
        stage.progress(f"{followers} followers: {rounds} rounds")
        flags = [*candidates.DURATIONS["baton"], "--replicas", str(followers + 1)]
        by_way = {way: [] for way, _ in ways}
        with (Election(stage, "baton", SERIES_LEASES[followers], followers + 1, flags) as election,
              Turns(stage) as turns):
            for number in range(rounds):
                way, end = ways[number % len(ways)]
                by_way[way].append(turns.hand_over_ms(*election.settle(), end))
        floor_ms = turns.floor_ms
        baton_ms = sum(by_way.values(), [])
        report_beside_floor(report, f"followers: {followers}", by_way, floor_ms)
        if followers == 2:
            shown = {"baton": baton_ms, "the floor": floor_ms}
            for way, values in by_way.items():
                report.goal(FLOOR_SECTION, f"p50 over the floor's, {way}",
                            ratio_of(values, floor_ms, 0.5), 1.3)
            p50 = ratio_of(baton_ms, floor_ms, 0.5)
            report.goal(FLOOR_SECTION, "p50 over the floor's, all three, stretch goal", p50, 1.1,
                        ratio=False)
            report.goal(FLOOR_SECTION, "p99 over the floor's p99, all three",
                        ratio_of(baton_ms, floor_ms, 0.99), 2)
        for name, share, values in (("baton p50", 0.5, baton_ms), ("baton p99", 0.99, baton_ms),
                                    ("floor p50", 0.5, floor_ms)):
            lines[name].append((followers, percentile(values, share)))
    report.plot(FLOOR_SECTION, "hand-over-followers", plots.lines(
        "Graceful hand-over and the number of followers", lines, "followers",
        "without a leader, ms"))
    return shown


def report_beside_floor(report, who, by_way, floor_ms):
    for way, values in by_way.items():
        report.row(FLOOR_SECTION, f"{who}, {way}", values, "ms")
    report.row(FLOOR_SECTION, f"{who}, the floor in these rounds", floor_ms, "ms")
    for way, values in by_way.items():
        report.figure(FLOOR_SECTION, f"{who}, {way}: p50 over the floor's",
                      ratio_of(values, floor_ms, 0.5), "x")


def ratio_of(ours, theirs, share):
    return percentile(ours, share) / percentile(theirs, share)


def measure_idle_followers(stage, report, rounds):
    """Many elections are idle at the same time, then hand over one after the other."""
    baton_ms, floor_ms = [], []
    for _ in range(rounds):
        with contextlib.ExitStack() as stack:
            elections = [stack.enter_context(Election(stage, "baton", lease))
                         for lease in IDLE_LEASES]
            settled = [election.settle() for election in elections]
            stage.progress(f"{len(elections)} elections: {IDLE_S} s of idleness")
            time.sleep(IDLE_S)
            turns = stack.enter_context(Turns(stage))
            baton_ms += [turns.hand_over_ms(*each, BESIDE_FLOOR[IDLE_WAY]) for each in settled]
            floor_ms += turns.floor_ms
    report_beside_floor(report, f"followers: 2, idle for {IDLE_S} s", {IDLE_WAY: baton_ms},
                        floor_ms)
    report.goal(FLOOR_SECTION, f"p50 over the floor's, followers idle for {IDLE_S} s",
                ratio_of(baton_ms, floor_ms, 0.5), 1.8)


def watch_idleness(cluster, election, idle_s):
    leader, _ = election.settle()
    time.sleep(2)  # what a candidate asks once at its start or for its first term is not idleness
    begin_s = time.time()
    time.sleep(idle_s)
    requests = cluster.audit(begin_s, time.time())
    if election.settle()[0] is not leader:
        raise BenchError("the leader changed during the idle period; end other load")
    counts = {(candidate, "watch", "leases"): 0 for candidate in election.candidates
              if candidate.kind == "baton"}
    for candidate in election.candidates:
        for user, verb, resource, _ in requests:
            if user == candidate.user:
                key = (candidate, verb, resource)
                counts[key] = counts.get(key, 0) + 1
    return leader, counts


def proofless(stage, rounds):
    """SIGTERM while an answer's validity is out and nothing has proved the end of the work."""
    rows = []
    with Election(stage, "baton", PROOFLESS_LEASE) as election:
        for number in range(rounds):
            stage.progress(f"SIGTERM without proof: round {number + 1} of {rounds}")
            leader, followers = election.settle()
            versions = stage.cluster.watch_lease(PROOFLESS_LEASE)
            harness.until(lambda: versions, 10, "the watch's first event")
            connection = leader.connect()
            with FirstYes(followers) as first_yes:
                answer = json.loads(connection.ask("GET", "/leader")[1])
                sigterm_s, sigterm_ns = time.time(), now_ns()
                leader.terminate()
                yes_ns = first_yes.wait_ns(60, f"SIGTERM to {leader.name}")
            connection.close()
            # The audit log has the wall clock; compared now, right after the release it is about.
            epoch_ns = time.time_ns() - now_ns()
            requests = stage.cluster.audit(sigterm_s, time.time())
            writes_ns = [int(received_s * 1e9) - epoch_ns
                         for user, verb, _, received_s in requests
                         if user == leader.user and verb not in ("get", "list", "watch")]
            freed_ns, holder = next(seen for seen in versions if seen[1] != versions[0][1])
            released = holder == "" and writes_ns
            rows.append({
                "sigterm": sigterm_ns, "valid": int(answer["deadlineBoottimeNs"]),
                "freed": max(writes_ns) if released else freed_ns,
                "by": "release" if released else "expiry", "yes": yes_ns, "writes": writes_ns})
            leader.restart()
    return rows


def report_times(report, times, delay_ms):
    report.note(WAYS_SECTION, "End signal to the next candidate's first yes. baton's event streams"
                " tell of it, and count when the kernel has received them; client-go's local HTTP is"
                " asked every millisecond.")
    for way, values in times.items():
        report.row(WAYS_SECTION, WAYS[way][1], values, "ms")
    report.glance("leader ends in good order, until the next one leads: p50 / max",
                  [percentiles(times[way], 0.5, 1) for way in ("drained", "client-go")], "ms")
    for way, values in times.items():
        if way != "client-go" and not delay_ms:  # else the API server decides, not the elector
            ratio = percentile(values, 0.5) / percentile(times["client-go"], 0.5)
            report.goal(WAYS_SECTION, f"p50 of {way}: at most a twentieth of client-go's", ratio,
                        1 / TARGET_RATIO)


def report_idle(report, leader, counts, idle_s):
    section = f"requests to the API server in {idle_s} s of idleness, from its audit log"
    by_user = sorted(counts.items(), key=lambda one: one[0][0].user)
    for (candidate, verb, resource), count in by_user:
        role = "leader" if candidate is leader else "follower"
        report.figure(section, f"{candidate.user}, {role}, {verb} {resource}", count,
                      f"({count / idle_s:.2f} per s)")
    if leader.kind == "baton":
        others = sum(count for (candidate, verb, _), count in counts.items()
                     if candidate is not leader and verb != "watch")
        report.goal(section, "baton's followers: requests other than their watch", others, 0)


def report_proofless(report, rows):
    section = "SIGTERM without proof, and what came when after it"
    report.note(section, "The server receives no release before the validity of the last answer has"
                " run out.")
    for number, row in enumerate(rows, 1):
        for name, time_ns in (
                ("the last answer was valid until", row["valid"]),
                (f"Lease freed by {row['by']}", row["freed"]), ("next yes", row["yes"]),
                *(("a write of the ended leader", write) for write in row["writes"])):
            after_ms = (time_ns - row["sigterm"]) / 1e6
            report.figure(section, f"round {number}: {name}", after_ms, "ms")
    early = sum(row["freed"] < row["valid"] for row in rows)
    report.goal(section, "releases before the validity had run out", early, 0)
