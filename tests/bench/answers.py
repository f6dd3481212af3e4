"""How many local answers one core gives, how fast, how soon event streams tell of a change, and
whether all of that together delays a renewal.

A responder that knows no HTTP but sends the same bytes is asked by the same load generator in turn
with baton: what it reaches is what this machine's kernel and the load generator allow.
"""

import itertools
import json
import os
import re
import socket
import subprocess
import time

import harness
from candidates import Candidate
from harness import BenchError, memory_kib
from report import percentile

SECTION = "answers of the local listener"
LEASE = "e40"
CONNECTIONS = 8
STREAMS = 1000
# The profile that renews most often: its period and its request timeout.
PROFILE, PERIOD_S, TIMEOUT_S = "aggressive", 1.0, 0.4
GOAL_PER_S, STRETCH_PER_S, TELL_MS = 100_000, 150_000, 20


def cores():
    """(the server's, the load generator's), which are one if there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


class Pinned(Candidate):
    """On one core, with a recording."""

    def __init__(self, stage, index, core):
        super().__init__(stage, "baton", index, LEASE, ["--profile", PROFILE])
        self.recording = stage.dir / f"{self.name}.recording"
        self.probe = self.command[self.command.index("--probe-address") + 1]
        self.command = ["taskset", "-c", core, *self.command, "--record", self.recording]

    def lines(self):
        """What it has logged."""
        return [json.loads(line) for line in self._log.read_text().splitlines()
                if line.startswith("{")]

    def leads(self):
        found = self.status()
        return found and found[0]

    def follows(self):
        found = self.status()
        return found and found[1] and not found[0]

    def metrics(self):
        with socket.create_connection(self.probe.split(":"), timeout=30) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
                               b"Connection: close\r\n\r\n")
            text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        return {name: float(value) for name, value in
                re.findall(r"^([a-z]\S*) (\S+)$", text, re.MULTILINE)}


def resign(candidate):
    """Its work has ended: returns when the Lease is released."""
    connection = candidate.connect()
    code, body = connection.ask("POST", "/resign?drained=true&wait=10s")
    connection.close()
    if code != 200:
        raise BenchError(f"POST /resign answered {code} {body.decode(errors='replace')}, not 200")


def measure(stage, report, quick):
    seconds, rounds, hand_overs, renew_s = (2, 3, 2, 12) if quick else (5, 10, 10, 60)
    core, other = cores()
    generator = ["taskset", "-c", str(other), stage.build / "load_generator"]
    where = (f"core {core}, the load generator to core {other}" if core != other else
             f"core {core}, and the load generator too: this machine gives no other")
    report.note(SECTION, f"baton and the responder are pinned to {where}. API server and etcd run"
                         " where there is room. The load generator keeps 8 connections busy.")
    asked = Pinned(stage, 0, core)
    successor = Pinned(stage, 1, other)
    try:
        asked.start()
        harness.until(asked.leads, 60, f"a term of {asked.name}")
        successor.start()
        harness.until(successor.follows, 60, f"{successor.name} to follow")
        throughput(stage, report, generator, core, asked, seconds, rounds)
        tell(stage, report, generator, asked, successor, hand_overs)
        renewals(stage, report, generator, asked, renew_s)
    finally:
        for one in (asked, successor):
            if one.process:
                one.process.kill()
                one.process.wait()


def throughput(stage, report, generator, core, asked, seconds, rounds):
    """Both servers in turn, over kept connections and over new ones."""
    answer = stage.dir / "answer"
    answer.write_bytes(raw_answer(asked.port))
    port = harness.free_port()
    responder = harness.start(
        ["taskset", "-c", core, stage.build / "responder", port, answer],
        stage.dir / "responder.log")
    try:
        harness.until(lambda: is_listening(port), 10, "the responder")
        ports = {"baton": asked.port, "bare responder": port}
        found = {}
        for number in range(rounds):
            stage.progress(f"answers: round {number + 1} of {rounds}")
            for mode, name in itertools.product(("answers", "connects"), ports):
                found.setdefault((mode, name), []).append(generate(
                    generator, mode, ports[name], CONNECTIONS, f"{seconds}s"))
    finally:
        responder.kill()
        responder.wait()
    for mode, what in (("answers", "GET /leader, kept connections"),
                       ("connects", "GET /leader, each on a new connection")):
        for name in ports:
            runs = found[mode, name]
            report.row(SECTION, f"{name}: {what}", [run["per_s"] for run in runs], "answers/s")
            report.row(SECTION, f"{name}: p99 of these", [run["latency_us"]["p99"] for run in runs],
                       "µs")
        ours, bare = found[mode, "baton"], found[mode, "bare responder"]
        if any(run["not_200"] for run in ours):
            raise BenchError(f"{asked.name} did not lead all the time it was asked")
        share = percentile([a["per_s"] / b["per_s"] for a, b in zip(ours, bare)], 0.5)
        report.figure(SECTION, f"{what}: of what the bare responder reaches", share * 100, "%")
    kept = found["answers", "baton"]
    per_s = percentile([run["per_s"] for run in kept], 0.5)
    report.goal(SECTION, "answers/s of one core over 8 connections", per_s, GOAL_PER_S,
                at_most=False, ratio=False)
    report.goal(SECTION, "the same, stretch", per_s, STRETCH_PER_S, at_most=False, ratio=False)
    ratios = [a["latency_us"]["p99"] / b["latency_us"]["p99"]
              for a, b in zip(kept, found["answers", "bare responder"])]
    report.goal(SECTION, "p99 over that of the bare responder, p50 of the rounds",
                percentile(ratios, 0.5), 2)


def raw_answer(port):
    """The bytes of one answer to GET /leader."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(f"GET /leader HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"}\n"):
            data = connection.recv(65536)
            if not data:
                raise BenchError(f"an answer ended early: {answer!r}")
            answer += data
        return answer


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def generate(generator, *words):
    ran = subprocess.run([*generator, *map(str, words)], stdout=subprocess.PIPE, check=True)
    return json.loads(ran.stdout)


class Streams:
    """Event streams of a candidate, held by the load generator."""

    def __init__(self, generator, port):
        self._process = subprocess.Popen(
            [*generator, "streams", str(port), str(STREAMS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "open\n":
            raise BenchError("the load generator could not open its streams")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def end(self):
        """What they were told: the changes between leading and not, each with its times."""
        try:
            said = json.loads(self._process.communicate(timeout=30)[0])
        except subprocess.TimeoutExpired:
            raise BenchError("not every event stream was told of every change") from None
        if said["lost"] or said["refused"]:
            raise BenchError(f"of {STREAMS} event streams {said['refused']} were refused, and"
                             f" {said['lost']} cut off")
        return said["changes"]


def tell(stage, report, generator, asked, successor, hand_overs):
    """The candidate with the streams loses and gains the term; when is each stream told?"""
    before = memory_kib(asked.process.pid)
    begin_ns = harness.now_ns()
    with Streams(generator, asked.port) as streams:
        grown = memory_kib(asked.process.pid)["Anonymous"] - before["Anonymous"]
        for number in range(hand_overs):
            stage.progress(f"{STREAMS} event streams: away and back, {number + 1} of {hand_overs}")
            resign(asked)
            harness.until(successor.leads, 60, f"a term of {successor.name}")
            time.sleep(0.5)  # a listener that had no turn in between would tell of one change only
            resign(successor)
            harness.until(asked.leads, 60, f"a term of {asked.name}")
            harness.until(successor.follows, 60, f"{successor.name} to follow")
            time.sleep(0.5)
        changes = streams.end()
    report.figure(SECTION, f"memory of an event stream, mean of {STREAMS}", grown / STREAMS, "KiB")
    decisions = decisions_of(asked, begin_ns)
    if [one["is_leader"] for one in changes] != [leads for leads, _ in decisions]:
        raise BenchError(f"the log has {len(decisions)} changes, the streams {len(changes)}")
    all_ms, last_ms = [], []
    for change, (_, decided_ns) in zip(changes, decisions):
        times_ms = [(time_ns - decided_ns) / 1e6 for time_ns in change["times_ns"]]
        all_ms += times_ms
        last_ms.append(max(times_ms))
    report.note(SECTION, f"{STREAMS} event streams on one listener; the sidecar's"
                         " changes between yes and no, from the step of the election that decided.")
    report.row(SECTION, "from the decision to a stream's event", all_ms, "ms")
    report.row(SECTION, f"from the decision to the last of {STREAMS} streams", last_ms, "ms")
    report.goal(SECTION, f"ms from the decision to the last of {STREAMS} streams, worst change",
                max(last_ms), TELL_MS, ratio=False)


def decisions_of(candidate, begin_ns):
    """(leads, when) of each change since then. The log says what was decided, a moment after its
    step has begun; the recording has the time of each step."""
    recorded = map(json.loads, candidate.recording.read_text().splitlines())
    steps_ns = [line["now"] for line in recorded if "step" in line]
    decisions = []
    for line in candidate.lines():
        if line["msg"] in ("gained", "draining") and line["boottime_ns"] > begin_ns:
            decisions.append((line["msg"] == "gained",
                              max(now for now in steps_ns if now <= line["boottime_ns"])))
    return decisions


def renewals(stage, report, generator, asked, seconds):
    """Without and with everything above at once."""
    report.note(SECTION, f"Renewals of the profile {PROFILE}: one each {PERIOD_S:g} s, request"
                         f" timeout {TIMEOUT_S:g} s. Load: 8 connections that are never silent, 4"
                         " clients that open a connection for each answer, and"
                         f" {STREAMS} event streams.")
    stage.progress(f"renewals: {seconds} s without load")
    calm = renewals_of(stage, asked, seconds)
    stage.progress(f"renewals: {seconds} s under load")
    with Streams(generator, asked.port) as streams:
        loads = [subprocess.Popen([*map(str, generator), mode, str(asked.port), connections,
                                   f"{seconds + 2}s"], stdout=subprocess.PIPE)
                 for mode, connections in (("answers", "8"), ("connects", "4"))]
        time.sleep(1)
        busy = renewals_of(stage, asked, seconds)
        for load, what in zip(loads, ("answers/s meanwhile", "new connections/s meanwhile")):
            report.figure(SECTION, f"renewals under load: {what}",
                          json.loads(load.communicate(timeout=30)[0])["per_s"], "")
        streams.end()
    for name, found in (("without load", calm), ("under load", busy)):
        report.row(SECTION, f"from a renewal to its reply, {name}", found["took_ms"], "ms")
        report.row(SECTION, f"from one renewal to the next, {name}", found["gaps_ms"], "ms")
    for bound, share in calm["histogram"].items():
        shares = {"without load": share, "under load": busy["histogram"][bound]}
        if set(shares.values()) not in ({0}, {1}):
            for name, one in shares.items():
                report.figure(SECTION, f"renewals answered within {bound} s, {name}",
                              one * 100, "%")
    report.goal(SECTION, "renewals late or lost, without load", calm["late"], 0)
    report.goal(SECTION, "renewals late or lost, under load", busy["late"], 0)


def renewals_of(stage, candidate, seconds):
    """What the renewals of this time took, by its own log and metrics, and how far apart they
    reached the API server, by its audit log."""
    before, begin_s, begin_ns = candidate.metrics(), time.time(), harness.now_ns()
    time.sleep(seconds)
    after, end_s = candidate.metrics(), time.time()

    def grown(name, label=""):
        return sum(after[one] - before.get(one, 0) for one in after
                   if one.startswith(name) and label in one)
    latency = "baton_renew_latency_seconds"
    bounds = re.findall(rf'^{latency}_bucket.*le="([^"]*)"', "\n".join(after), re.MULTILINE)
    count = max(1, grown(f"{latency}_count"))
    histogram = {bound: grown(f"{latency}_bucket", f'le="{bound}"') / count for bound in bounds}
    times_s = [received_s for *request, received_s in stage.cluster.audit(begin_s, end_s)
               if request == [candidate.user, "update", "leases"]]
    gaps_ms = [(later - earlier) * 1e3 for earlier, later in zip(times_s, times_s[1:])]
    took_ms = [line["took_ms"] for line in candidate.lines()
               if line["msg"] == "extended" and line["boottime_ns"] > begin_ns]
    if not gaps_ms or not took_ms:
        raise BenchError(f"{candidate.name} renewed nothing in {seconds} s")
    # One more request timeout is what a lost request would cost, and the term would still go on.
    late = sum(gap > (PERIOD_S + TIMEOUT_S) * 1e3 for gap in gaps_ms)
    late += int(grown("leader_election_slowpath_total"))
    late += int(grown("baton_transitions_total", 'change="lost"'))
    return {"took_ms": took_ms, "gaps_ms": gaps_ms, "histogram": histogram, "late": late}
