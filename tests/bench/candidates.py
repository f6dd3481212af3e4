"""Candidates of an election as processes, and when the next of them leads."""

import contextlib
import json
import select
import signal
import subprocess
import time

import harness
from harness import BenchError, Connection, NAMESPACE, now_ns

# Service accounts of e2e/control-plane, by the kind of candidate; several candidates may share one.
ACCOUNTS = {"baton": [f"candidate-{number}" for number in range(5)],
            "client-go": [f"client-go-{number}" for number in range(3)]}
DURATIONS = {"baton": ["--profile", "balanced"],
             "client-go": ["--lease-duration", "15s", "--renew-deadline", "10s",
                           "--retry-period", "2s", "--release-on-cancel"]}


class Candidate:
    """One process of an election; its command line depends on the kind. The flags replace those
    of its durations."""

    def __init__(self, stage, kind, index, election, flags=None):
        self.name = f"{kind}-{election}-{index}"
        self.kind = kind
        account = ACCOUNTS[kind][index % len(ACCOUNTS[kind])]
        self.user = f"system:serviceaccount:{NAMESPACE}:{account}"
        self.port = harness.free_port()
        self.process = None
        self._log = stage.dir / f"{self.name}.log"
        common = ["--kubeconfig", stage.kubeconfig(account), "--namespace", NAMESPACE]
        own = DURATIONS[kind] if flags is None else flags
        if kind == "baton":
            self.command = [
                stage.baton, "run", *common, "--election", election, "--pod-name", self.name,
                "--local-address", f"127.0.0.1:{self.port}",
                "--probe-address", f"127.0.0.1:{harness.free_port()}", *own]
        else:
            self.command = [
                stage.client_go, *common, "--lease", election, "--id", self.name,
                "--http", f"127.0.0.1:{self.port}", *own]

    def start(self):
        self.process = harness.start(self.command, self._log)

    def connect(self):
        return Connection(self.port)

    def status(self):
        """(leads, knows the leader); None while it does not answer yet."""
        if self.process.poll() is not None:
            last = (self._log.read_text(errors="replace").splitlines() or ["nothing"])[-1]
            code = self.process.returncode
            raise BenchError(f"{self.name} ended with status {code}; it said: {last}")
        try:
            connection = self.connect()
        except OSError:
            return None
        try:
            code, body = connection.ask("GET", "/leader")
            if self.kind == "baton":
                return code == 200, json.loads(body)["state"] in ("following", "leading")
            _, body = connection.ask("GET", "/")
            return code == 200, bool(json.loads(body)["name"])
        finally:
            connection.close()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def restart(self):
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self.name} still runs 30 s after SIGTERM") from None
        self.start()


class Election:
    """Candidates of one kind on one Lease."""

    def __init__(self, stage, kind, lease, size=3, flags=None):
        self.candidates = [Candidate(stage, kind, i, lease, flags) for i in range(size)]

    def __enter__(self):
        for candidate in self.candidates:
            candidate.start()
        return self

    def __exit__(self, *_):
        for candidate in self.candidates:
            candidate.process.kill()
        for candidate in self.candidates:
            candidate.process.wait()

    def settle(self):
        """Waits until one leads and the others know it; returns (leader, followers)."""
        def settled():
            found = [candidate.status() for candidate in self.candidates]
            known = all(one and one[1] for one in found)
            return found if known and sum(one[0] for one in found) == 1 else None
        found = harness.until(settled, 60, f"one leader that {len(self.candidates) - 1} follow")
        leads = {True: [], False: []}
        for candidate, (is_leader, _) in zip(self.candidates, found):
            leads[is_leader].append(candidate)
        return leads[True][0], leads[False]


def release(stage, leases):
    """Leaves these Leases released, so that the next election on them need not wait one out."""
    stage.progress(f"{len(leases)} Leases")
    with contextlib.ExitStack() as stack:
        elections = [stack.enter_context(
            Election(stage, "baton", lease, size=1, flags=["--profile", "aggressive"]))
                     for lease in leases]
        for election in elections:
            leader, _ = election.settle()
            connection = leader.connect()
            connection.post("/resign?drained=true&wait=10s")
            connection.close()


class FirstYes:
    """When the first of these candidates says yes: baton's event streams tell, the others are asked
    every `period_ms` over warm connections. The retired leader-elector's way of asking is GET /,
    which names the leader.
    """

    def __init__(self, candidates, period_ms=1, by_name=False):
        self._period_ns = period_ms * 1_000_000
        self._by_name = by_name
        self._streams = {}
        self._asked = []
        self._epoll = select.epoll()
        for candidate in candidates:
            connection = candidate.connect()
            if candidate.kind == "baton":
                connection.follow()
                self._epoll.register(connection, select.EPOLLIN)
                self._streams[connection.fileno()] = connection
            else:
                self._asked.append((candidate, connection))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._epoll.close()
        for connection in (*self._streams.values(), *(one for _, one in self._asked)):
            connection.close()

    def wait_ns(self, timeout_s, what):
        """The boottime of the first yes; may run in a thread of its own while the leader ends."""
        deadline_ns = now_ns() + int(timeout_s * 1e9)
        find = self._next_of_asked if self._asked else self._next_of_streams
        while now_ns() < deadline_ns:
            yes_ns = find()
            if yes_ns:
                return yes_ns
        raise BenchError(f"no other candidate led within {timeout_s} s of {what}")

    def _next_of_streams(self):
        for descriptor, _ in self._epoll.poll(0.1):
            yes_ns = self._streams[descriptor].yes_ns()
            if yes_ns:
                return yes_ns
        return None

    def _next_of_asked(self):
        due_ns = now_ns() + self._period_ns
        for _, connection in self._asked:
            connection.send("GET", "/" if self._by_name else "/leader")
        for candidate, connection in self._asked:
            code, body = connection.receive()
            if json.loads(body)["name"] == candidate.name if self._by_name else code == 200:
                return now_ns()
        time.sleep(max(0, due_ns - now_ns()) / 1e9)
        return None
