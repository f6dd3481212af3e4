"""Two replicas of an example beside real sidecars on baton-devserver, and the store they write to."""
import calendar
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from ports import free_port  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BATON = Path(os.environ.get("BATON_PROGRAM", ROOT / "build/release/baton"))
WORK = Path(tempfile.mkdtemp())
RENEW_DEADLINE_NS = 6_400_000_000
TIMINGS = ["--profile=aggressive", "--lease-duration=8s", "--renew-deadline=6400ms"]


def boottime_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def call(method, url, body=None, **headers):
    """(status, text); (0, "") if nobody answers."""
    request = urllib.request.Request(url, None if body is None else body.encode(), method=method,
                                     headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def start(words, log, **variables):
    """Its words go to `log`. It ends with this program, and what it starts with it (own session)."""
    with open(log, "a") as file:
        words = ["setpriv", "--pdeathsig", "KILL", "--", *words]
        return subprocess.Popen([str(word) for word in words], stdout=file, stderr=file, cwd=WORK,
                                env={"PATH": os.environ["PATH"], "HOME": str(WORK), **variables},
                                start_new_session=True)


def end(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class DevServer:
    def __init__(self, name="dev"):
        self.dir, log = WORK / name, WORK / f"{name}.log"
        self.process = start([BATON.with_name("baton-devserver"), "--dir", self.dir], log)
        deadline = time.monotonic() + 60
        while not (self.dir / "ready").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"no devserver: {log.read_text()}")
            time.sleep(0.05)
        self.control = (self.dir / "control").read_text().strip()

    def last_deadline_ns(self, election):
        """When the last renewal's validity ends, on CLOCK_BOOTTIME."""
        lease = json.loads(call("GET", f"{self.control}/objects/leases/{election}")[1])
        stamp = lease["spec"]["renewTime"]
        seconds, micros = stamp.rstrip("Z").split(".")
        parsed = time.strptime(seconds + "+0000", "%Y-%m-%dT%H:%M:%S%z")
        wall = calendar.timegm(parsed) * 1_000_000_000 + int(micros) * 1000
        return wall - time.time_ns() + boottime_ns() + RENEW_DEADLINE_NS


class Replica:
    """A sidecar and the containers beside it, which are restarted when they end, as a kubelet does."""

    def __init__(self, server, election, index, settings=()):
        self.name = f"{election}-p{index}"
        self.port, self.probe_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.flags = ["run", f"--kubeconfig={server.dir}/candidate-{index}.kubeconfig",
                      "--namespace=baton-test", f"--election={election}", f"--pod-name={self.name}",
                      f"--local-address=127.0.0.1:{self.port}",
                      f"--probe-address=127.0.0.1:{self.probe_port}", *TIMINGS,
                      f"--record={WORK / self.name}.recording", *settings]
        self.workers = []  # (words, variables, process)
        self.start_sidecar()

    def log(self, what):
        return WORK / f"{self.name}.{what}.log"

    def start_sidecar(self):
        self.sidecar = start([BATON, *self.flags], self.log("baton"))

    def start_worker(self, words, **variables):
        variables = {"SIDECAR": self.url, "BATON_LOCAL_ADDRESS": f"127.0.0.1:{self.port}", **variables}
        self.workers.append((words, variables, start(words, self.log("worker"), **variables)))

    def tend(self):
        for at, (words, variables, process) in enumerate(self.workers):
            if process.poll() is not None:
                end(process)
                self.workers[at] = (words, variables, start(words, self.log("worker"), **variables))

    def status(self):
        """The status document; {} if nobody answers."""
        try:
            return json.loads(call("GET", f"{self.url}/leader")[1] or "{}")
        except ValueError:
            return {}

    def leads(self):
        return self.status().get("isLeader", False)

    def tell(self, path):
        return call("POST", self.url + path, "", Baton_Control="1")[0]

    def rejections(self):
        page = call("GET", f"http://127.0.0.1:{self.probe_port}/metrics")[1]
        return [int(float(line.split()[1])) for line in page.splitlines()
                if line.startswith("baton_fencing_rejections_total")]

    def proofs(self):
        """That the work had ended, as the sidecar heard it."""
        told = subprocess.run([BATON, "replay", WORK / f"{self.name}.recording"], capture_output=True, text=True)
        return set(re.findall(r"the work.* has ended: (.*)", told.stdout))

    def close(self):
        for *_, process in self.workers:
            end(process)
        end(self.sidecar)


class Store:
    """examples/store, and what it has printed."""

    def __init__(self, name):
        self.log, port = WORK / f"{name}.store.log", free_port()
        self.url = f"http://127.0.0.1:{port}/{name}"
        self.process = start([sys.executable, ROOT / "examples/store/store.py"], self.log,
                             PORT=str(port), STATE=str(WORK / f"{name}.tokens"))

    def effects(self, token=None):
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{"]
        for line in lines:
            line["token"] = int(line["token"])
        return [line for line in lines if token in (None, line["token"])]

    def raise_to(self, token):
        return call("POST", self.url, "raised by the test", Baton_Fencing_Token=str(token))[0]


def clean_up():
    shutil.rmtree(WORK, ignore_errors=True)
