"""How long a workload is without a leader when the leader ends in good order.

Three baton candidates and three client-go candidates (15/10/2, ReleaseOnCancel) hand over on a real
API server, in one run. Every time is from the end signal to the first "yes" of another candidate's
local HTTP. Then: what candidates ask the API server while nothing happens, and when a leader that
got SIGTERM without any proof that its work has ended releases the Lease.
"""

import concurrent.futures
import json
import random
import time

import harness
from candidates import Election, FirstYes
from harness import BenchError, now_ns
from report import percentile

SECTION = "graceful hand-over, 3 candidates"
TARGET_RATIO = 20  # ours at most a twentieth of client-go's p50


# How each round ends the leader. Each returns when the end began (boottime ns) and may block.
# Where the application speaks first, its word is where the time begins.

def end_by_sigterm(leader, _):
    begin_ns = now_ns()
    leader.terminate()
    return begin_ns


def end_by_drained(leader, connection):
    term = json.loads(connection.ask("GET", "/leader")[1])["termId"]
    begin_ns = now_ns()
    body = json.dumps({"termId": term}).encode()
    expect_2xx("/drained", *connection.ask("POST", "/drained", body))
    leader.terminate()
    return begin_ns


def end_by_held_stream(leader, connection):
    connection.follow("?hold=true")
    begin_ns = now_ns()
    leader.terminate()
    connection.close()
    return begin_ns


def end_by_resign(_, connection):
    begin_ns = now_ns()
    expect_2xx("/resign", *connection.ask("POST", "/resign?drained=true&wait=10s"))
    return begin_ns


def expect_2xx(path, code, body):
    if not 200 <= code < 300:
        raise BenchError(f"POST {path} answered {code} {body.decode(errors='replace')}, not 2xx")


WAYS = {
    "drained": ("baton", "baton, SIGTERM after POST /drained", end_by_drained),
    "held": ("baton", "baton, SIGTERM, held event stream closes", end_by_held_stream),
    "resign": ("baton", "baton, POST /resign?drained=true&wait=10s", end_by_resign),
    "client-go": ("client-go", "client-go 15/10/2, ReleaseOnCancel, SIGTERM", end_by_sigterm),
}
LEASES = {"baton": "bench", "client-go": "e49"}


def hand_over_ms(election, end):
    """One round: ends the leader, returns the time to the next yes, and restarts what ended."""
    leader, followers = election.settle()
    # A random pause, so that client-go's retries stand anywhere in their period.
    time.sleep(random.uniform(1.0, 3.4))
    connection = leader.connect()
    with FirstYes(followers) as first_yes, concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(first_yes.wait_ns, 60, f"the end of {leader.name}")
        try:
            begin_ns = end(leader, connection)
            yes_ns = waiting.result()
        finally:
            connection.close()
    if end is not end_by_resign:
        leader.restart()
    return (yes_ns - begin_ns) / 1e6


def measure(stage, report, quick):
    rounds, idle_s, proofless_rounds = (5, 10, 1) if quick else (20, 30, 3)
    times = {}
    for kind, lease in LEASES.items():
        with Election(stage, kind, lease) as election:
            stage.progress(f"{kind}: {idle_s} s of idleness")
            report_idle(report, *watch_idleness(stage.cluster, election, idle_s), idle_s)
            for way, (ended, name, end) in WAYS.items():
                if ended == kind:
                    stage.progress(f"{name}: {rounds} rounds")
                    times[way] = [hand_over_ms(election, end) for _ in range(rounds)]
    report_times(report, times)
    report_proofless(report, proofless(stage, proofless_rounds))


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
    with Election(stage, "baton", LEASES["baton"]) as election:
        for number in range(rounds):
            stage.progress(f"SIGTERM without proof: round {number + 1} of {rounds}")
            leader, followers = election.settle()
            versions = stage.cluster.watch_lease(LEASES["baton"])
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


def report_times(report, times):
    report.note(SECTION, "End signal to the next candidate's first yes. baton's event streams tell"
                " of it; client-go's local HTTP is asked every millisecond.")
    for way, values in times.items():
        report.row(SECTION, WAYS[way][1], values, "ms")
    for way, values in times.items():
        if way != "client-go":
            ratio = percentile(values, 0.5) / percentile(times["client-go"], 0.5)
            report.goal(SECTION, f"p50 of {way}: at most a twentieth of client-go's", ratio,
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
