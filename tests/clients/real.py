"""The conformance programs beside real sidecars on baton-devserver, and the examples beside scripts/quickstart."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from sidecar import STEP_NS

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
import stage  # noqa: E402
from stage import BATON, ROOT, WORK, DevServer, Replica  # noqa: E402

DEADLINE_S = 300  # for each thing that must happen; on an idle machine none takes 15 s
elections = iter(range(50))
lock = threading.Lock()
server = None


def the_server():
    global server
    with lock:
        server = server or DevServer()
    return server


def wait(what, condition):
    deadline = time.monotonic() + DEADLINE_S
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.05)
    return value


def lines_of(replica, what=None):
    """What its program has said, of that kind."""
    log = replica.log("worker")
    said = log.read_text().splitlines() if log.exists() else []
    lines = [json.loads(line) for line in said if line[:1] == "{" and line[-1:] == "}"]
    return [line for line in lines if what in (None, line["what"])]


class Pair:
    """Two replicas, each a sidecar and a conformance program; with status pages in the folder `pages`, if it is given."""

    def __init__(self, words, pages=None):
        self.election = f"e{next(elections)}"
        self.replicas = []
        for index in range(2):
            page = f"{pages}/{index}"
            settings, variables = ([f"--status-page={page}"], {"BATON_STATUS_PAGE": page}) if pages else ([], {})
            self.replicas.append(Replica(the_server(), self.election, index, settings))
            self.replicas[index].start_worker(words, **variables)

    def calls(self):
        """Each call of the work by its token: replica, first and last stamp, whether it has ended."""
        found = {}
        for replica in self.replicas:
            for line in lines_of(replica):
                if line["what"] == "started":
                    token = int(line["token"])
                    call = found.setdefault(token, {"replica": replica, "from": line["atNs"], "to": 0, "ended": False})
                elif line["what"] == "work":
                    call["to"] = line["atNs"]
                elif line["what"] == "ended":
                    call["ended"] = True
        return found

    def work(self, above):
        """The call with a higher token, once it works: (its replica, the other one, the token)."""
        def found():
            for token, call in self.calls().items():
                if token > above and call["to"]:
                    one, other = self.replicas if call["replica"] is self.replicas[0] else self.replicas[::-1]
                    return one, other, token
            return None
        return wait(f"work with a token above {above}", found)

    def end(self, token):
        wait(f"the end of the work with token {token}", lambda: self.calls()[token]["ended"])

    def resign(self, leader, other, token):
        """The other one goes on, as soon as the leader's application has said that its work has ended: with what token."""
        status = leader.tell("/resign")
        assert status in (200, 202), status
        next_leader, _, next_token = self.work(token)
        assert next_leader is other, "the one that resigned leads again"
        self.end(token)
        proofs = leader.proofs()
        assert proofs == {"the application said so"}, proofs
        return next_token

    def take_sidecar_away(self, leader, number, token):
        """By a signal after which it answers nothing; the other replica goes on."""
        leader.sidecar.send_signal(number)
        if number == signal.SIGKILL:
            leader.sidecar.wait()
        deadline_ns = the_server().last_deadline_ns(self.election)
        next_leader, _, next_token = self.work(token)
        assert next_leader is not leader, "the one without a sidecar leads"
        self.end(token)
        last = self.calls()[token]["to"]
        assert last < deadline_ns, f"worked at {last}, {last - deadline_ns} ns after the deadline"
        return next_leader, leader, next_token

    def judge(self):
        """No two worked at once: what worked with a lower token did so before the higher one's work began."""
        calls = sorted(self.calls().items())
        for (token, call), (higher, later) in zip(calls, calls[1:]):
            assert call["to"] < later["from"] + STEP_NS, f"{token} worked at {call['to']}, {higher} from {later['from']}"
        return [token for token, _ in calls]

    def close(self):
        for replica in self.replicas:
            replica.close()


def play(words):
    pair = Pair(words)
    try:
        leader, other, first = pair.work(0)
        second = pair.resign(leader, other, first)
        leader, other, third = pair.take_sidecar_away(other, signal.SIGKILL, second)
        other.start_sidecar()
        wait("the new sidecar follows", lambda: other.status().get("state") == "following")
        leader, other, fourth = pair.take_sidecar_away(leader, signal.SIGSTOP, third)
        other.sidecar.send_signal(signal.SIGCONT)
        wait("the stopped sidecar follows", lambda: other.status().get("state") == "following")

        (*_, program), = leader.workers  # told to stop: it ends its work, resigns and returns
        program.send_signal(signal.SIGTERM)
        status = program.wait(timeout=DEADLINE_S)
        assert status in (0, 128 + signal.SIGTERM), f"exit status {status}"
        assert lines_of(leader)[-1]["what"] == "returned", lines_of(leader)[-1]
        leader, other, fifth = pair.work(fourth)
        (*_, program), = leader.workers  # killed: the kernel closes its connection, which is the proof
        stage.end(program)
        leader.sidecar.send_signal(signal.SIGTERM)
        assert leader.sidecar.wait(timeout=DEADLINE_S) == 0
        proofs = leader.proofs()
        assert "every holding connection is closed" in proofs, proofs
        tokens = pair.judge()
        assert tokens == [first, second, third, fourth, fifth], tokens
        print(f"\n{Path(words[-1]).name} beside real sidecars: tokens {tokens}", file=sys.stderr)
    finally:
        pair.close()


def play_pages(words):
    """The work goes on while the page is renewed. It ends by a resignation and when the sidecar is killed; the next
    sidecar goes on with the page."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as pages:
        pair = Pair(words, pages)
        try:
            leader, other, first = pair.work(0)
            deadline_ns = int(leader.status()["deadlineBoottimeNs"])
            wait("work after the first deadline", lambda: pair.calls()[first]["to"] > deadline_ns)
            second = pair.resign(leader, other, first)
            leader, other, third = pair.take_sidecar_away(other, signal.SIGKILL, second)
            other.start_sidecar()
            wait("the new sidecar follows", lambda: other.status().get("state") == "following")
            fourth = pair.resign(leader, other, third)
            tokens = pair.judge()
            assert tokens == [first, second, third, fourth], tokens
        finally:
            pair.close()


def play_reports(words):
    """What the application tells a real sidecar: ready() ends the warming, rejected() is counted."""
    replica = Replica(the_server(), f"e{next(elections)}", 0, ["--warm-up-limit=1h"])

    def leaderz():
        return stage.call("GET", f"http://127.0.0.1:{replica.probe_port}/leaderz")[0]

    def told(act):
        """What the helper returned, in a term of its own."""
        before = len(lines_of(replica, "told"))
        replica.start_worker([*words, act])
        return wait(f"{act} is told", lambda: lines_of(replica, "told")[before:])[0]["ok"]

    try:
        wait("it warms", lambda: replica.status().get("state") == "warming")
        status = replica.status()
        assert status["isLeader"] and status["fencingToken"], f"sealing needs a token: {status}"
        assert leaderz() == 503, "the gate is open while warming"
        assert told("ready"), "ready() was not taken"
        assert (leaderz(), replica.status()["state"]) == (200, "leading"), replica.status()
        stage.end(replica.workers.pop()[2])
        assert replica.rejections() == [0], replica.rejections()
        assert told("reject"), "rejected() was not taken"
        assert replica.rejections() == [1], replica.rejections()
        assert "stale token refused" in replica.log("baton").read_text(), "nothing in the log"
    finally:
        replica.close()


def command_of(library):
    """The command that the library's file prints for its example."""
    text = library.read_text().split("The example, beside a running scripts/quickstart, from the top folder:\n")[1]
    return re.search(r"^[ \t/*]*(?:<pre>)?([^ \t/*\n].*?)(?:</pre>)?$", text, re.M)[1]


class Quickstart:
    """scripts/quickstart's replicas, shown live."""

    def __init__(self):
        self.log = WORK / "quickstart.log"
        folder = WORK / "quickstart"
        folder.mkdir()
        self.process = stage.start([BATON.with_name("baton-quickstart"), folder], self.log)
        wait("the quickstart's table", lambda: len(self.addresses()) == 3)

    def addresses(self):
        return dict(re.findall(r"^(replica-\d) +(127\.0\.0\.1:\d+) ", self.log.read_text(), re.M))

    def make_first_lead(self):
        """So that a client that is told no address finds a leader."""
        def leads():
            for name, address in self.addresses().items():
                status, _ = stage.call("GET", f"http://{address}/leader")
                if status == 200 and name == "replica-0":
                    return address
                if status == 200:
                    stage.call("POST", f"http://{address}/resign?drained=true", "", Baton_Control="1")
            return None
        return wait("the first replica leads", leads)


quickstart = None
turn = threading.Lock()  # who ends an example ends the term for all of them


def play_example(library):
    """As Ctrl-C would end it, after its first token."""
    global quickstart
    with turn:
        quickstart = quickstart or Quickstart()
        address = quickstart.make_first_lead()
        variables = {} if address.endswith(":4040") else {"BATON_LOCAL_ADDRESS": address}  # somebody has that port
        log = WORK / f"{library.parent.name}.example.log"
        words = ["env", "--default-signal=INT", "sh", "-c"]  # whoever runs this in the background ignores it
        example = stage.start([*words, f"cd {ROOT}; {command_of(library)}"], log, **variables,
                              **{name: os.environ[name] for name in ("GOFLAGS", "GOCACHE") if name in os.environ})
        try:
            wait(f"a token from {command_of(library)}", lambda: re.search(r"^token \d+, ", log.read_text(), re.M)
                 or example.poll() is not None)
            os.killpg(example.pid, signal.SIGINT)
            wait(f"the end of the work of {command_of(library)}: {log.read_text()}",
                 lambda: re.search(r"^token \d+, .*\n(.*\n)*lost$", log.read_text(), re.M))
        finally:
            stage.end(example)


def clean_up():
    for one in (server, quickstart):
        if one:
            stage.end(one.process)
    stage.clean_up()
