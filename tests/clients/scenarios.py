"""What a sidecar can do to a client, as scripts. Each waits for what the client says, never for a time; the
judge (sidecar.py) looks at the whole afterwards."""
import json
import os
import signal
import subprocess
import threading
import time

from sidecar import STEP_NS, Page, Sidecar, boottime_ns, document, judge

PATIENCE_S = 240  # for each thing that must happen; on an idle machine the longest takes 45 s
SHORT_S = 10  # one whose end is waited for, long enough for a piece of work on a busy machine
LONG_S = 3600  # a validity that no scenario lives to see the end of


class Client:
    """A conformance program, and its lines."""

    def __init__(self, words, address, variables):
        self.lines = []
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *map(str, words)], stdout=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "BATON_LOCAL_ADDRESS": address, **variables})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def said(self, what, **fields):
        return [line for line in self.lines
                if line["what"] == what and all(line.get(key) == value for key, value in fields.items())]

    def end(self):
        """The exit status after SIGTERM, with all its lines read."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        status = self.process.wait(timeout=PATIENCE_S)
        self._reader.join()
        self.process.stdout.close()
        return status

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.wait()


class Play:
    """One client and its sidecar. `words` are the client's program; the arguments that it takes follow. Where the
    sidecar is `paged` it has a status page, which was never written."""

    def __init__(self, words, folder, *arguments, unix=False, paged=False, patience_s=PATIENCE_S, moment_s=0.05,
                 **variables):
        self.folder, self.patience_s, self.moment_s = folder, patience_s, moment_s
        self.sidecar = Sidecar(f"{folder}/baton.sock" if unix else None)
        if paged:
            variables["BATON_STATUS_PAGE"] = f"{folder}/page"
            self.page = Page(self.sidecar, variables["BATON_STATUS_PAGE"])
        # The first two are nobody's.
        address = self.sidecar.address if unix else f"127.0.0.1:1, [::1]:1,{self.sidecar.address}"
        self.client = Client([*words, *arguments], address.replace("127.0.0.1:", "localhost:"), variables)
        self._streams = 0

    def until(self, what, condition):
        deadline = time.monotonic() + self.patience_s
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {self.patience_s} s: {what}")
            time.sleep(0.01)
        return value

    def stream(self):
        """The client's next request for a stream, to be answered."""
        number = self._streams
        self._streams += 1
        self.until(f"stream {number}", lambda: len(self.sidecar.streams) > number)
        stream = self.sidecar.streams[number]
        expect("hold=true" in stream.request, stream.request)
        return stream

    def let_begin(self):
        """A moment for a client that believes what it may not: a right one passes with any."""
        time.sleep(self.moment_s)

    def line(self, what, count=1, **fields):
        """The last of so many such lines."""
        return self.until(f"{count} × {what} {fields}",
                          lambda: self.client.said(what, **fields)[count - 1:])[0]

    def post(self, path, count=1):
        return self.until(f"{count} × POST {path}", lambda: self.sidecar.posts(path)[count - 1:])[0]

    def worked_after(self, at):
        """A piece of work that began after that."""
        return self.until("work", lambda: [line for line in self.client.said("work") if line["atNs"] > at])

    def lead(self, term, token, stream=None):
        """Yes with a long validity until work of that term runs; the stream."""
        before = len(self.client.said("started", termId=term))
        stream = stream or self.stream().accept()
        stream.yes(term, token, LONG_S)
        line = self.line("started", before + 1, termId=term)
        expect(line["token"] == str(token), line)
        return stream

    def end(self, started):
        """Stops the client, which is not asked to do more than it did, and judges."""
        status = self.client.end()
        expect(status in (0, 128 + signal.SIGTERM), f"exit status {status}")
        self.judge(started)

    def judge(self, started):
        expect([line["termId"] for line in self.client.said("started")] == started,
               f"started {self.client.said('started')}, not {started}")
        for line in self.client.said("lost"):
            expect(line["remainingMs"] == 0, line)
        wrong = judge(self.sidecar.log, self.client.lines)
        expect(not wrong, "\n".join(map(str, wrong)))
        for stream in self.sidecar.streams:
            expect(stream.has_ended.wait(PATIENCE_S), f"stream {stream.number} is still open")

    def close(self):
        self.client.kill()
        self.sidecar.die()


def expect(condition, told):
    if not condition:
        raise AssertionError(told)


def follow(play):
    stream = play.stream().accept()
    for _ in range(3):
        stream.no()
        stream.raw(b":\n\n")
    play.end([])
    expect(not play.sidecar.posts(), play.sidecar.posts())


def lead_and_lose(play):
    stream = play.stream().accept()
    stream.no()
    first = stream.yes("a", 10**18 - 1, 30)
    expect(play.line("started")["token"] == str(10**18 - 1), play.client.lines)
    line = play.line("started")
    expect(line["key"] == f"{10**18 - 1}:op-1", line)
    for headers, scope in (line["headers"], "n/e"), (line["asked"], "shop/bills"):
        expect(headers == {"Baton-Fencing-Token": str(10**18 - 1), "Baton-Fencing-Scope": scope}, line)
    expect(line["refuses"], "it took a scope with a line break, or an operation id with a blank")
    expect(0 < play.line("started")["remainingMs"] <= 30_000, play.client.lines)
    play.line("work", 3)
    told = boottime_ns()
    stream.no()
    expect(play.line("ended")["atNs"] >= told - STEP_NS, play.client.lines)
    expect(boottime_ns() < first, "it was lost by the clock, not by the answer")
    expect(play.post("/drained")["fields"] == {"termId": "a"}, play.sidecar.posts())
    play.end(["a"])


def renew(play):
    stream = play.stream().accept()
    first = stream.yes("a", 7, SHORT_S)
    deadline = first
    while not [line for line in play.client.said("work") if line["atNs"] > first]:
        expect(boottime_ns() < deadline, f"this machine is too slow to renew every 50 ms for {SHORT_S} s")
        deadline = stream.yes("a", 7, SHORT_S)
        time.sleep(0.05)
    stream.no()
    play.line("ended")
    play.end(["a"])


def lapse(play):
    """Nothing comes any more, over a connection that stays open."""
    stream = play.stream().accept()
    while not play.client.said("started"):
        stream.yes("a", 7, 3)
        time.sleep(0.2)
    play.line("ended")
    play.lead("a", 7)  # the client opens another stream, and may work in that term anew
    play.end(["a", "a"])


def die(play):
    stream = play.lead("a", 7)
    stream.yes("a", 7, SHORT_S)
    play.sidecar.die()
    play.worked_after(boottime_ns())  # the last deadline holds
    play.line("ended")
    play.sidecar.listen()
    play.lead("b", 8)
    play.end(["a", "b"])


def die_and_hang(play):
    """The next connection is taken and never answered: it may be a hold, so it stays until the work ends."""
    stream = play.lead("a", 7)
    stream.yes("a", 7, SHORT_S)
    stream.hang_up()
    hanging = play.stream()
    play.worked_after(boottime_ns())
    play.line("ended")
    play.until("its end", hanging.has_ended.is_set)
    play.lead("b", 8)
    play.end(["a", "b"])


def no_gap(play):
    stream = play.lead("a", 7)
    stream.yes("b", 8, LONG_S)
    expect(play.line("started", 2)["token"] == "8", play.client.lines)
    expect(play.post("/drained")["fields"] == {"termId": "a"}, play.sidecar.posts())
    play.end(["a", "b"])


def stubborn(play):
    """Work that does not end keeps its stream open, and the next term waiting."""
    stream = play.lead("a", 7)
    stream.no()
    play.line("lost")
    stream.yes("b", 8, LONG_S)
    for _ in range(20):
        stream.no()
        stream.yes("b", 8, LONG_S)
    play.let_begin()
    expect(not play.client.said("started", termId="b"), "two ran at once")
    open(f"{play.folder}/release", "w").close()
    play.line("started", 2)
    play.end(["a", "b"])


def stubborn_past_the_deadline(play):
    stream = play.stream().accept()
    while not play.client.said("started"):
        stream.yes("a", 7, 3)
        time.sleep(0.2)
    play.line("lost")
    for _ in range(20):
        stream.yes("a", 7, LONG_S)  # too late
        stream.event("garbage")
    open(f"{play.folder}/release", "w").close()
    play.line("ended")
    play.lead("a", 7)
    play.end(["a", "a"])


BAD_YES = [
    {"termId": None}, {"termId": ""}, {"termId": 5}, {"termId": "a\"b"}, {"fencingToken": None}, {"fencingToken": "0"},
    {"fencingToken": "-1"}, {"fencingToken": "9223372036854775808"}, {"fencingToken": "1000000000000000000"},
    {"fencingToken": "1e3"}, {"fencingToken": 7}, {"fencingToken": "07"}, {"fencingToken": " 7"},
    {"deadlineBoottimeNs": None}, {"deadlineBoottimeNs": "soon"}, {"deadlineBoottimeNs": 10**18},
    {"deadlineBoottimeNs": "9223372036854775807"}, {"deadlineBoottimeNs": "-5"}, {"validForMs": None},
    {"election": None}, {"election": "e\r\nA: b"}, {"election": ""}, {"namespace": 5}, {"namespace": "n/m"},
    {"validForMs": "3600000"}, {"validForMs": 1000}, {"isLeader": "true"}, {"isLeader": 1}, {"isLeader": None}]


def bad_answers(play):
    """A yes that lacks something, or of another clock, is no yes. What is no document is no answer."""
    stream = play.stream().accept()
    for changes in BAD_YES:
        stream.yes("bad", 7, LONG_S, **changes)
        play.let_begin()
    for for_s in (0, -5):
        stream.yes("bad", 7, for_s)
    for text in ("", "[]", "null", "7", '"isLeader"', "{", '{"isLeader":true}', "[" * 60000, '{"a":' * 10000,
                 '{"x":{"isLeader":true,"termId":"bad","fencingToken":"7"}}'):
        stream.event(text)
        play.let_begin()
    play.lead("a", 8, stream)
    play.end(["a"])


def bad_answers_while_leading(play):
    """What says leader but not of which term, with which token or until when is a no."""
    stream = play.stream().accept()
    terms = []
    for changes in BAD_YES + [{"deadlineBoottimeNs": "1"}]:
        if changes.get("isLeader", True) is True:
            terms.append(f"t{len(terms)}")
            play.lead(terms[-1], len(terms), stream)
            stream.yes(terms[-1], len(terms), LONG_S, **changes)
            play.line("ended", len(terms))
    play.lead("b", 8, stream)
    stream.yes("b", 9, LONG_S)  # another token in one term
    expect(play.line("started", 2, termId="b")["token"] == "9", play.client.lines)
    play.end([*terms, "b", "b"])


def garbage(play):
    for answer in (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>\ndata: {\"isLeader\":true}\n\n",
                   b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"\r\n\r\n\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n",
                   b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n"):
        stream = play.stream()
        stream.raw(answer)
        play.until("its end", stream.has_ended.is_set)
    stream = play.stream()
    stream.hang_up()  # no answer at all
    play.lead("a", 7)
    play.end(["a"])


def huge(play):
    for start in (b"x", b"HTTP/1.1 200 OK\r\nA: ", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ",
                  b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + b"data: \"\n" * 100000):
        stream = play.stream()
        stream.raw(start)
        while not stream.has_ended.is_set():
            stream.raw(b"x" * 10000)
    play.lead("a", 7)
    play.end(["a"])


def garbage_while_leading(play):
    """Is no answer: the last deadline holds, and the connection until the work has ended."""
    stream = play.lead("a", 7)
    stream.yes("a", 7, SHORT_S)
    stream.event("<html>")
    stream.raw(b"data: " + b"x" * 1_000_000)
    play.worked_after(boottime_ns())
    play.line("ended")
    play.lead("b", 8)
    play.end(["a", "b"])


def slow_head(play):
    stream = play.stream()
    while not stream.has_ended.is_set():
        stream.raw(b"H")
        time.sleep(0.1)
    play.lead("a", 7)
    play.end(["a"])


def split(play):
    stream = play.stream().accept()
    stream.yes("a", 123456789012345678, LONG_S, pieces=3, reason="höchste Zeit: \u20ac \\ \"quoted\" \n")
    expect(play.line("started")["token"] == "123456789012345678", play.client.lines)
    stream.raw(b": a comment\r\nevent: other\r\ndata: " + json.dumps(document()).encode() + b"\r\n\r\n")
    play.line("ended")
    play.end(["a"])


def refused(play):
    for status in ("503 Service Unavailable", "403 Forbidden", "400 Bad Request", "302 Found", "500 Oh"):
        stream = play.stream()
        stream.refuse(status)
        play.until("its end", stream.has_ended.is_set)
    stream = play.lead("a", 7)
    stream.hang_up()
    play.stream().refuse("503 Service Unavailable")  # refused while it leads, then taken
    stream = play.stream().accept()
    stream.yes("a", 7, LONG_S)
    play.worked_after(boottime_ns())
    stream.no()
    play.line("ended")
    play.end(["a"])


def restart(play):
    """Another run of the sidecar says no, or leads another term, long before the last deadline."""
    play.lead("a", 7)
    play.sidecar.die()
    play.sidecar.listen()
    stream = play.stream().accept()
    stream.event(document(revision="other-1", state="starting"))
    play.line("ended")
    play.lead("b", 8, stream)
    play.sidecar.die()
    play.sidecar.listen()
    play.lead("c", 9)
    play.end(["a", "b", "c"])


def paused(play):
    """Stopped past its deadline, continued with newer answers in its buffer, or with none."""
    stream = play.lead("a", 7)
    deadline = stream.yes("a", 7, 4)
    play.client.process.send_signal(signal.SIGSTOP)
    play.until("the deadline", lambda: boottime_ns() > deadline)
    play.client.process.send_signal(signal.SIGCONT)
    play.line("ended")
    stream = play.lead("b", 8)
    deadline = stream.yes("b", 8, 4)
    play.client.process.send_signal(signal.SIGSTOP)
    play.until("the deadline", lambda: boottime_ns() > deadline)
    stream.yes("c", 9, LONG_S)
    play.client.process.send_signal(signal.SIGCONT)
    play.line("ended", 2)
    if not play.client.said("started", termId="c") and play._streams == len(play.sidecar.streams):
        play.until("its next move", lambda: play.client.said("started", termId="c")
                   or play._streams < len(play.sidecar.streams))
    if not play.client.said("started", termId="c"):
        play.lead("c", 9)
    play.end(["a", "b", "c"])


def silent(play):
    """A stream without a beat is given up while no work runs, and not while it does."""
    stream = play.stream().accept()
    stream.no()
    play.until("its end", stream.has_ended.is_set)
    play.lead("a", 7)
    play.end(["a"])


def reject(play):
    stream = play.lead("a", 7)
    post = play.post("/fencing/rejections")
    expect(post["fields"] == {"token": "7", "resource": "db", "highestToken": "99"}, post)
    expect(play.line("told")["ok"], play.client.lines)
    play.line("ended")
    expect(play.post("/resign?drained=true")["fields"] == {"termId": "a"}, play.sidecar.posts())
    stream.yes("a", 7, LONG_S)  # never again in that term
    play.let_begin()
    play.lead("b", 8, stream)
    play.end(["a", "b"])


def tell(play):
    stream = play.lead("a", 7)
    expect(play.line("told")["ok"], play.client.lines)
    for path in ("/ready-to-lead", "/drained"):
        expect(play.post(path)["fields"] == {"termId": "a"}, play.sidecar.posts())
    play.line("ended")
    stream.yes("a", 7, LONG_S)
    play.let_begin()
    play.lead("b", 8, stream)
    play.end(["a", "b"])


def work_returns(play):
    play.lead("a", 7)
    expect(play.client.wait() == 0, play.client.lines)
    expect(play.client.said("returned"), play.client.lines)
    expect(play.post("/resign?drained=true")["fields"] == {"termId": "a"}, play.sidecar.posts())
    play.judge(["a"])


def work_fails(play):
    play.lead("a", 7)
    expect(play.client.wait() == 0, play.client.lines)
    expect("the work failed" in play.line("failed")["why"], play.client.lines)
    expect(play.post("/resign?drained=true")["fields"] == {"termId": "a"}, play.sidecar.posts())
    play.judge(["a"])


def stopped(play):
    play.lead("a", 7)
    play.line("work", 2)
    play.end(["a"])
    expect(play.client.said("ended") and play.client.said("returned"), play.client.lines)
    expect(play.post("/resign?drained=true")["fields"] == {"termId": "a"}, play.sidecar.posts())


def named(play):
    stream = play.lead("a", 7)
    expect(stream.request == "/leader/events?hold=true&name=w%2F1", stream.request)
    stream.no()
    expect(play.post("/drained")["fields"] == {"termId": "a", "name": "w/1"}, play.sidecar.posts())
    play.lead("b", 8, stream)
    play.end(["a", "b"])
    expect(play.post("/resign?drained=true&name=w%2F1")["fields"] == {"termId": "b"}, play.sidecar.posts())


def killed(play):
    stream = play.lead("a", 7)
    play.client.kill()
    play.until("the stream's end", stream.has_ended.is_set)
    expect(not play.sidecar.posts(), play.sidecar.posts())


# What a page can say, or fail to say, instead of the yes of a term with a token.
PAGE_NOES = (
    lambda page, term, token: page.no(),
    lambda page, term, token: page.half(),
    lambda page, term, token: page.yes(term, token, 0),
    lambda page, term, token: page.yes(term, token + 1, LONG_S),
    lambda page, term, token: page.yes("other", token, LONG_S),
    lambda page, term, token: page.yes(term, token, LONG_S, boot_id=b"0" * 36))


def page_says_no(play):
    """The stream has not said it yet. It ends the term, and the sidecar is told when its work has ended."""
    stream, terms = None, []
    for token, say_no in enumerate(PAGE_NOES, 1):
        terms.append(f"t{token}")
        play.page.yes(terms[-1], token, LONG_S)
        stream = play.lead(terms[-1], token, stream)
        play.worked_after(play.line("started", token)["atNs"])
        say_no(play.page, terms[-1], token)
        play.line("ended", token)
        expect(play.post("/drained", token)["fields"] == {"termId": terms[-1]}, play.sidecar.posts())
    expect(len(play.sidecar.streams) == 1, "it left the stream, which had done nothing wrong")
    play.end(terms)


def page_says_it_late(play):
    """The stream's yes begins nothing before the page's, and the stream's no needs none of the page."""
    stream = play.stream().accept()
    stream.yes("a", 7, LONG_S)
    for term, token, for_s in ("", 0, 0), ("b", 7, LONG_S), ("a", 8, LONG_S), ("a", 7, 0), ("a", 7, LONG_S):
        play.let_begin()
        play.page.yes(term, token, for_s)
    play.worked_after(play.line("started")["atNs"])
    stream.no()
    play.line("ended")
    play.end(["a"])


def page_adds_nothing(play):
    """Nothing comes over the stream any more: its last deadline holds, whatever the page says."""
    play.page.yes("a", 7, LONG_S)
    lapse(play)


# name: (script, the program's arguments, over a Unix socket)
SCENARIOS = {one.__name__: (one, "", False) for one in (
    silent, slow_head, garbage, refused, huge, follow, lead_and_lose, renew, lapse, die, die_and_hang, no_gap, bad_answers,
    garbage_while_leading, bad_answers_while_leading, split, restart, paused, stopped, killed)}
SCENARIOS.update({
    "unix_socket": (lead_and_lose, "", True), "stubborn": (stubborn, "stubborn", False),
    "stubborn_past_the_deadline": (stubborn_past_the_deadline, "stubborn", False),
    "reject": (reject, "reject", False), "named": (named, "named", False), "tell": (tell, "tell", False),
    "work_returns": (work_returns, "return", False), "work_fails": (work_fails, "fail", False)})
PAGED = {one.__name__: (one, "", False) for one in (page_says_no, page_says_it_late, page_adds_nothing)}
