"""What the benchmarks share: a real cluster, the way to it, processes and local HTTP.

Times are CLOCK_BOOTTIME in nanoseconds, the clock of baton's deadlines, which every process shares.
"""

import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from ports import free_port  # noqa: E402

NAMESPACE = "baton-test"
YES = b'"isLeader":true'
SO_TIMESTAMPNS = 35  # socket(7), Linux: not among Python's constants
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"


class BenchError(Exception):
    """A measurement that cannot be taken; the message is for people."""


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def until(condition, timeout_s, what):
    """The first true value of condition(), asked every 20 ms."""
    deadline_ns = now_ns() + int(timeout_s * 1e9)
    while True:
        value = condition()
        if value:
            return value
        if now_ns() > deadline_ns:
            raise BenchError(f"waited {timeout_s} s in vain for {what}")
        time.sleep(0.02)


def start(command, log):
    """A process that the kernel ends with this one. The benchmark's own variables are no settings
    of baton's."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("BATON_")}
    with open(log, "ab") as output:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)


def memory_kib(pid):
    """{name: KiB} of /proc/PID/smaps_rollup."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    found = re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE)
    return {name: int(value) for name, value in found}


class Connection:
    """One keep-alive HTTP/1.1 connection to a candidate's local listener."""

    def __init__(self, port):
        self._host = f"127.0.0.1:{port}"
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._buffer = b""

    def send(self, method, path, body=b""):
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
        if method == "POST":
            head += f"Baton-Control: 1\r\nContent-Length: {len(body)}\r\n"
        self._socket.sendall(f"{head}\r\n".encode() + body)

    def receive(self):
        head, self._buffer = self._read_to(b"\r\n\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
        length = int(fields.get("content-length", 0))
        while len(self._buffer) < length:
            self._fill()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return int(head.split(b" ", 2)[1]), body

    def ask(self, method, path, body=b""):
        self.send(method, path, body)
        return self.receive()

    def post(self, path, body=b""):
        code, answer = self.ask("POST", path, body)
        if not 200 <= code < 300:
            raise BenchError(f"POST {path} answered {code} {answer!r}, not 2xx")

    def follow(self, query=""):
        """Opens an event stream; returns the document of its first event."""
        self.send("GET", f"/leader/events{query}")
        head, self._buffer = self._read_to(b"\r\n\r\n")
        if head.split(b" ", 2)[1] != b"200":
            raise BenchError(f"GET /leader/events{query} answered {head.decode()!r}, not 200")
        return self.next_event()

    def next_event(self):
        """The document of the next event of the stream."""
        _, self._buffer = self._read_to(b"data: ")
        document, self._buffer = self._read_to(b"\n\n")
        return json.loads(document)

    def yes_ns(self):
        """When the kernel received the events that have come, if there is a yes among them, else None;
        they are gone then. What asks is slow to wake, and no part of what is measured."""
        received_ns = self._fill(socket.MSG_DONTWAIT)
        has_yes = YES in self._buffer
        self._buffer = self._buffer[-len(YES):]
        return received_ns if has_yes else None

    def fileno(self):
        return self._socket.fileno()

    def close(self):
        self._socket.close()

    def _read_to(self, mark):
        while mark not in self._buffer:
            self._fill()
        head, rest = self._buffer.split(mark, 1)
        return head, rest

    def _fill(self, flags=0):
        """Returns when the kernel received the last of it."""
        data, notes, _, _ = self._socket.recvmsg(65536, 64, flags)
        if not data:
            raise BenchError("the candidate closed the connection")
        self._buffer += data
        for level, kind, note in notes:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, ns = struct.unpack("@ll", note)
                return now_ns() - (time.time_ns() - seconds * 1_000_000_000 - ns)
        return now_ns()


@dataclasses.dataclass
class Stage:
    """What a part is measured on."""
    cluster: "Cluster"
    kubeconfigs: pathlib.Path  # of the users; with a delay they lead to the fault proxy
    build: pathlib.Path  # the programs of this build
    delay_ms: int
    dir: pathlib.Path  # the part's own folder, kept with the logs if it fails

    @property
    def baton(self):
        return self.build / "baton"

    @property
    def client_go(self):
        return self.cluster.bin / "client-go-candidate"

    def kubeconfig(self, user):
        return self.kubeconfigs / f"{user}.kubeconfig"

    def progress(self, text):
        print(f"bench: {self.dir.name}: {text}", file=sys.stderr)


class Cluster:
    """A real etcd and kube-apiserver by e2e/control-plane."""

    def __init__(self, directory):
        self.dir = directory

    def __enter__(self):
        # Built first: the API server may take minutes, and its wait below is for the start alone.
        self.bin = pathlib.Path(subprocess.run(
            [ROOT / "e2e/build"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1])
        self._process = subprocess.Popen([ROOT / "e2e/control-plane", "up", self.dir])
        def ready():
            if self._process.poll() is not None:
                raise BenchError(f"e2e/control-plane ended with status {self._process.returncode}")
            return (self.dir / "ready").exists()
        until(ready, 60, "the control plane")
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()

    def audit(self, begin_s, end_s):
        """(user, verb, resource, received) of requests that began in this span of wall clock."""
        seen = {}
        with open(self.dir / "audit.log", encoding="utf-8") as log:
            for line in log:
                event = json.loads(line)
                received_s = parse_time_s(event["requestReceivedTimestamp"])
                if begin_s <= received_s < end_s:
                    resource = event.get("objectRef", {}).get("resource", event["requestURI"])
                    seen[event["auditID"]] = (
                        event["user"]["username"], event["verb"], resource, received_s)
        return sorted(seen.values(), key=lambda request: request[3])

    def request(self, method, path, body=None):
        """As admin, with a JSON object if there is one; the answer is a stream of bytes."""
        kubeconfig = (self.dir / "admin.kubeconfig").read_text()
        server = kubeconfig.split('server: "')[1].split('"')[0]
        token = kubeconfig.split("token: ")[1].split("}")[0]
        request = urllib.request.Request(
            server + path, method=method, data=body and json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        trust = ssl.create_default_context(cafile=self.dir / "pki/ca.crt")
        return urllib.request.urlopen(request, timeout=120, context=trust)

    def watch_lease(self, name):
        """A growing list of (when seen, in ns, and holder) of every version of a Lease."""
        stream = self.request(
            "GET", f"{LEASES}?watch=true&fieldSelector=metadata.name%3D{name}")
        versions = []
        def follow():
            with contextlib.suppress(TimeoutError):  # nothing happens to the Lease any more
                for line in stream:
                    lease = json.loads(line)["object"]
                    versions.append((now_ns(), lease["spec"].get("holderIdentity", "")))
        threading.Thread(target=follow, daemon=True).start()
        return versions


class Proxy:
    """A baton-fault-proxy before the API server."""

    def __init__(self, cluster, build, users):
        self.kubeconfigs = cluster.dir / "faulty"
        self.kubeconfigs.mkdir()
        port = free_port()
        command = [build / "baton-fault-proxy", "--control", port]
        for user in users:
            command += ["--upstream", cluster.dir / f"{user}.kubeconfig",
                        "--kubeconfig-out", self.kubeconfigs / f"{user}.kubeconfig"]
        self._control = f"http://127.0.0.1:{port}"
        self._log = cluster.dir / "proxy.log"
        self._process = start(command, self._log)

    def __enter__(self):
        def serves():
            if self._process.poll() is not None:
                raise BenchError(f"baton-fault-proxy ended: {self._log.read_text().strip()}")
            return "serving" in self._log.read_text()
        until(serves, 30, "the fault proxy")
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def fault(self, **what):
        self._ask("POST", json.dumps(what).encode())

    def heal(self):
        self._ask("DELETE", None)

    def _ask(self, method, body):
        request = urllib.request.Request(f"{self._control}/faults", data=body, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()


def parse_time_s(text):
    """Seconds since the epoch of an API server's time."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def run(bench):
    """What bench(directory) returns. Its failure keeps the folder with the logs and ends the
    process with one line and status 1."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.setswitchinterval(0.0005)  # ending a leader must not wait for the thread that polls
    directory = pathlib.Path(tempfile.mkdtemp(prefix="baton-bench."))
    keep = False
    try:
        return bench(directory)
    except KeyboardInterrupt:
        sys.exit(130)
    except (BenchError, OSError, subprocess.CalledProcessError) as error:
        keep = True
        sys.exit(f"bench: {error} (logs are kept in {directory})")
    finally:
        if not keep:
            shutil.rmtree(directory)
