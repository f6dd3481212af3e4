"""A sidecar that says what a script tells it to, and the judge of what a client made of it.

Everything is written down with CLOCK_BOOTTIME: by the sidecar before a byte is sent and after an end was
seen, by the client before it asks its library. A client without that clock reads /proc/uptime, so that its
stamps are up to STEP_NS early.
"""
import json
import mmap
import os
import pathlib
import socket
import struct
import threading
import time
import zlib

STEP_NS = 10_000_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n"


def boottime_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def document(**changes):
    """A status document of a follower, with a leader whose token is not this Pod's."""
    return {
        "isLeader": False, "state": "following", "reason": None, "election": "e", "namespace": "n", "pod": "p",
        "identity": "p_1_2", "fencingToken": None, "termId": None, "validForMs": 0, "deadlineBoottimeNs": None,
        "leader": {"pod": "other \"{}", "identity": "o_1_2", "address": None, "fencingToken": "999",
                   "since": "2026-01-01T00:00:00.000000Z", "transitions": 3, "termId": "theirs"},
        "traffic": None, "revision": "r-1", "lease": {"durationMs": 15000}, **changes}


class Stream:
    """One request for the event stream, from its arrival to its end."""

    def __init__(self, sidecar, number, connection, request):
        self.number, self.request = number, request
        self._sidecar, self._connection = sidecar, connection
        self._hung_up = False
        self.has_ended = threading.Event()

    def write_down(self, what, **fields):
        self._sidecar.write_down(what, stream=self.number, **fields)

    def raw(self, data):
        try:
            self._connection.sendall(data)
        except OSError:
            pass  # the client has closed: its end is written down

    def accept(self):
        self.raw(HEAD)
        return self

    def refuse(self, status):
        """A whole answer: this connection holds nothing, whoever closes it."""
        self.write_down("refused")
        self.raw(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\r\n{{\"error\":\"no\"}}\n".encode())

    def event(self, told, pieces=None):
        text = told if isinstance(told, str) else json.dumps(told)
        data = f"id: r-1\ndata: {text}\n\n".encode()
        for at in range(0, len(data), pieces or len(data)):
            self.raw(data[at:at + (pieces or len(data))])
            if pieces:
                self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                time.sleep(0.002)  # so that each is a segment of its own

    def no(self):
        self.event(document())

    def yes(self, term, token, for_s, pieces=None, **changes):
        now = boottime_ns()
        deadline = now + int(for_s * 1e9)
        self.write_down("yes", term=term, token=token, deadline=deadline)
        self.event(document(**{
            "isLeader": True, "state": "leading", "fencingToken": str(token), "termId": term,
            "validForMs": max(0, (deadline - now) // 1_000_000), "deadlineBoottimeNs": str(deadline), **changes}),
            pieces)
        return deadline

    def hang_up(self):
        self._hung_up = True
        self.write_down("hung up")
        self._connection.shutdown(socket.SHUT_RDWR)

    def read_to_the_end(self):
        try:
            while self._connection.recv(4096):
                pass
        except OSError:
            pass
        if not self._hung_up:
            self.write_down("closed")
        self.has_ended.set()


class Page:
    """The sidecar's status page (docs/status-page.md). What it says is written down with when it may have been read
    first; it may be read last when the next is written down."""

    BOOT_ID = pathlib.Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()

    def __init__(self, sidecar, path):
        self._sidecar, self._sequence = sidecar, 0
        with open(path, "w+b") as file:
            file.truncate(4096)
            self._memory = mmap.mmap(file.fileno(), 4096)

    def yes(self, term, token, for_s, boot_id=BOOT_ID):
        self._write(boottime_ns() + int(for_s * 1e9), token, 4, term, boot_id)

    def no(self):
        self._write(0, 0, 1, "", self.BOOT_ID)

    def half(self):
        """As a sidecar that died in the middle leaves it."""
        self._count(self._sequence | 1)
        self._write_down(boottime_ns(), "", 0, 0)

    def _write(self, deadline, token, state, term, boot_id):
        since = boottime_ns()
        body = struct.pack("<qQQQQ40s64s", deadline, token, state, 77, since, boot_id, term.encode())
        self._count(self._sequence | 1)
        self._memory[0:16] = b"BATONPAG" + struct.pack("<Q", 1)
        self._memory[24:176] = body + struct.pack("<Q", zlib.crc32(body))
        self._count(self._sequence + 1)
        self._write_down(since, term, token, deadline if boot_id == self.BOOT_ID else 0)

    def _count(self, sequence):
        self._sequence = sequence
        self._memory[16:24] = struct.pack("<Q", sequence)

    def _write_down(self, since, term, token, deadline):
        self._sidecar.write_down("page", since=since, term=term, token=str(token), deadline=deadline)


class Sidecar:
    def __init__(self, unix_path=None):
        self.log, self._lock = [], threading.Lock()
        self.streams = []  # in the order of their arrival
        self._path = unix_path
        self._port = 0
        self._listener = None
        self.listen()

    @property
    def address(self):
        return f"unix:{self._path}" if self._path else f"127.0.0.1:{self._port}"

    def write_down(self, what, **fields):
        with self._lock:
            self.log.append({"what": what, "at": boottime_ns(), **fields})

    def posts(self, path=None):
        with self._lock:
            return [one for one in self.log if one["what"] == "post" and path in (None, one["path"])]

    def listen(self):
        """Again, at the same address."""
        if self._path:
            if os.path.exists(self._path):
                os.unlink(self._path)
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(self._path)
        else:
            self._listener = socket.socket()
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind(("127.0.0.1", self._port))
            self._port = self._listener.getsockname()[1]
        self._listener.listen()
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def die(self):
        """As a killed process does: nobody listens, every connection ends."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for stream in self.streams:
            if not stream.has_ended.is_set():
                stream.hang_up()

    def _accept(self, listener):
        try:
            while True:
                connection = listener.accept()[0]
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()
        except OSError:
            pass

    def _serve(self, connection):
        with connection:
            text = b""
            while b"\r\n\r\n" not in text:
                piece = connection.recv(4096)
                if not piece:
                    return
                text += piece
            head, _, body = text.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            method, path, _ = first.split()
            if method == "GET":
                with self._lock:
                    stream = Stream(self, len(self.streams), connection, path)
                    self.streams.append(stream)
                stream.write_down("asked", path=path)
                stream.read_to_the_end()
                return
            while len(body) < int(headers["content-length"]):
                body += connection.recv(4096)
            self.write_down("post", path=path, fields=json.loads(body), control=headers.get("baton-control"))
            status = "204 No Content" if path.startswith("/fencing") else "200 OK"
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())


def judge(told, lines):
    """What the client did that it may not do, given what the sidecar `told` and the client's `lines`."""
    wrong = []
    pages = [one for one in told if one["what"] == "page"]
    calls, running = [], None
    for line in lines:
        what, at = line["what"], line.get("atNs")
        if what == "started":
            if running:
                wrong.append(f"{line} while work of {running['term']} still ran")
            running = {"term": line["termId"], "token": line["token"], "from": at, "until": None}
            calls.append(running)
        if what in ("started", "work"):
            if not running:
                wrong.append(f"{line} after the work had ended")
                continue
            covered = [yes for yes in told if yes["what"] == "yes" and yes["at"] <= at + STEP_NS
                       and yes["term"] == running["term"] and str(yes["token"]) == running["token"]]
            if not covered:
                wrong.append(f"{line}: no yes with this term and token")
            elif at >= max(yes["deadline"] for yes in covered):
                wrong.append(f"{line}: after the deadline")
            shown = [one for one, end in zip(pages, [*(one["at"] for one in pages[1:]), float("inf")])
                     if one["since"] <= at + STEP_NS and at < end and at < one["deadline"]
                     and (one["term"], one["token"]) == (running["term"], running["token"])]
            if pages and not shown:
                wrong.append(f"{line}: not on the status page")
        if what == "ended" and running:
            running["until"], running = at, None
    refused = {one["stream"] for one in told if one["what"] == "refused"}
    for call in calls:
        streams = [yes["stream"] for yes in told if yes["what"] == "yes" and yes["term"] == call["term"]
                   and yes["at"] <= call["from"] + STEP_NS]
        until = call["until"] or float("inf")
        held = {one["stream"] for one in told
                if one["what"] == "asked" and call["from"] + STEP_NS < one["at"] < until} - refused
        for one in told:
            if one["what"] == "closed" and one["stream"] in held.union(streams[-1:]) and one["at"] < until:
                wrong.append(f"the stream was closed before the work of {call['term']} had ended: {one}")
    wrong += [f"without Baton-Control: 1: {one}" for one in told if one["what"] == "post" and one["control"] != "1"]
    return wrong
