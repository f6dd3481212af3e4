"""What the benchmarks share: a real cluster, candidates as processes, and their local HTTP.

Times are CLOCK_BOOTTIME in nanoseconds, the clock of baton's deadlines, which every process shares.
"""

import datetime
import json
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMESPACE = "baton-test"
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
    """A process that the kernel ends with this one."""
    with open(log, "ab") as output:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output)


_ports = set()


def free_port():
    """Below the range of outgoing connections, so that a restart finds its port free again; never
    one that was given before."""
    while True:
        port = random.randrange(10000, 20000)
        if port in _ports:
            continue
        _ports.add(port)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Connection:
    """One keep-alive HTTP/1.1 connection to a candidate's local listener."""

    def __init__(self, port):
        self._host = f"127.0.0.1:{port}"
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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

    def hold(self):
        """Opens a holding event stream; returns after its first event."""
        self.send("GET", "/leader/events?hold=true")
        head, self._buffer = self._read_to(b"\r\n\r\n")
        if head.split(b" ", 2)[1] != b"200":
            raise BenchError(f"GET /leader/events?hold=true answered {head.decode()!r}, not 200")
        self._read_to(b"data:")

    def close(self):
        self._socket.close()

    def _read_to(self, mark):
        while mark not in self._buffer:
            self._fill()
        head, rest = self._buffer.split(mark, 1)
        return head, rest

    def _fill(self):
        data = self._socket.recv(65536)
        if not data:
            raise BenchError("the candidate closed the connection")
        self._buffer += data


class Candidate:
    """One process of an election; its command line depends on the kind."""

    def __init__(self, kind, index, cluster, binary):
        self.name = f"{kind}-{index}"
        self.kind = kind
        account = f"{'candidate' if kind == 'baton' else kind}-{index}"
        self.user = f"system:serviceaccount:{NAMESPACE}:{account}"
        self.port = free_port()
        self.process = None
        self._log = cluster.dir / f"{self.name}.log"
        common = ["--kubeconfig", cluster.dir / f"{account}.kubeconfig", "--namespace", NAMESPACE]
        if kind == "baton":
            self._command = [
                binary, "run", *common, "--election", "bench", "--pod-name", self.name,
                "--local-address", f"127.0.0.1:{self.port}",
                "--probe-address", f"127.0.0.1:{free_port()}", "--profile", "balanced"]
        else:
            self._command = [
                binary, *common, "--lease", "e49", "--id", self.name,
                "--http", f"127.0.0.1:{self.port}", "--lease-duration", "15s",
                "--renew-deadline", "10s", "--retry-period", "2s", "--release-on-cancel"]

    def start(self):
        self.process = start(self._command, self._log)

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
    """Three candidates of one kind."""

    def __init__(self, kind, cluster, binary):
        self.candidates = [Candidate(kind, i, cluster, binary) for i in range(3)]

    def __enter__(self):
        for candidate in self.candidates:
            candidate.start()
        return self

    def __exit__(self, *_):
        for candidate in self.candidates:
            candidate.process.kill()
            candidate.process.wait()

    def settle(self):
        """Waits until one leads and the others know it; returns (leader, followers)."""
        def settled():
            found = [candidate.status() for candidate in self.candidates]
            known = all(one and one[1] for one in found)
            return found if known and sum(one[0] for one in found) == 1 else None
        found = until(settled, 60, "one leader and two candidates that follow it")
        leads = {True: [], False: []}
        for candidate, (is_leader, _) in zip(self.candidates, found):
            leads[is_leader].append(candidate)
        return leads[True][0], leads[False]


def first_yes_ns(connections, timeout_s, what):
    """When the first of these answers yes, asked every millisecond over warm connections."""
    deadline_ns = now_ns() + int(timeout_s * 1e9)
    due_ns = now_ns()
    while due_ns < deadline_ns:
        for connection in connections:
            connection.send("GET", "/leader")
        for connection in connections:
            code, _ = connection.receive()
            if code == 200:
                return now_ns()
        due_ns = max(due_ns + 1_000_000, now_ns())
        time.sleep(max(0, due_ns - now_ns()) / 1e9)
    raise BenchError(f"no other candidate led within {timeout_s} s of {what}")


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

    def request(self, method, path):
        """As admin; the answer is a stream of bytes."""
        kubeconfig = (self.dir / "admin.kubeconfig").read_text()
        server = kubeconfig.split('server: "')[1].split('"')[0]
        token = kubeconfig.split("token: ")[1].split("}")[0]
        request = urllib.request.Request(
            server + path, headers={"Authorization": f"Bearer {token}"}, method=method)
        trust = ssl.create_default_context(cafile=self.dir / "pki/ca.crt")
        return urllib.request.urlopen(request, timeout=120, context=trust)

    def watch_lease(self, name):
        """A growing list of (when seen, in ns, and holder) of every version of a Lease."""
        stream = self.request(
            "GET", f"{LEASES}?watch=true&fieldSelector=metadata.name%3D{name}")
        versions = []
        def follow():
            for line in stream:
                lease = json.loads(line)["object"]
                versions.append((now_ns(), lease["spec"].get("holderIdentity", "")))
        threading.Thread(target=follow, daemon=True).start()
        return versions


def parse_time_s(text):
    """Seconds since the epoch of an API server's time."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def run(bench):
    """Runs bench(directory); a failure keeps the folder with the logs and ends with one line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.setswitchinterval(0.0005)  # ending a leader must not wait for the thread that polls
    directory = pathlib.Path(tempfile.mkdtemp(prefix="baton-bench."))
    keep = False
    try:
        bench(directory)
    except KeyboardInterrupt:
        sys.exit(130)
    except (BenchError, OSError, subprocess.CalledProcessError) as error:
        keep = True
        sys.exit(f"bench: {error} (logs are kept in {directory})")
    finally:
        if not keep:
            shutil.rmtree(directory)
