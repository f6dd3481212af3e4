"""The node, what the worker and the Lease have recorded, and what must hold of it."""
import collections
import dataclasses
import datetime
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".cache/e2e/bin"
NODE = Path(os.environ.get("BATON_NODE", "/tmp/baton-node"))
# An image that the nodes of the cluster of KUBECONFIG can fetch: the scenarios run there.
EXISTING = os.environ.get("BATON_IMAGE", "")
EFFECTS = Path("/tmp/baton-effects") if EXISTING else NODE / "effects"
WORK = Path(tempfile.mkdtemp(prefix="baton-pods-"))
ENVIRONMENT = {"HOME": str(WORK), "PATH": os.environ["PATH"],
               "KUBECONFIG": os.environ.get("KUBECONFIG", "") if EXISTING else str(NODE / "admin.kubeconfig")}
on_our_node = unittest.skipIf(EXISTING, "needs the inside of the node, which e2e/cluster alone opens")
ahead_ns = 0  # the node's CLOCK_BOOTTIME before this machine's


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) + ahead_ns


def run(*command, check=True, **options):
    answer = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if check and answer.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: {answer.stderr or answer.stdout}")
    return answer


def kubectl(*words, check=True, **options):
    return run(BIN / "kubectl", *words, check=check, env=ENVIRONMENT, **options)


def helm(*words, check=True):
    return run(BIN / "helm", *words, check=check, env=ENVIRONMENT)


class Reader:
    """A Pod that is the store and reads what was recorded; of an existing cluster it tells the node's clock."""
    NAMESPACE = "baton-pods"
    ON_THE_NODE = {"hostPath": {"path": str(EFFECTS), "type": "DirectoryOrCreate"}}

    def __init__(self, image, namespace=NAMESPACE, volume=ON_THE_NODE, labels=None):
        global ahead_ns
        self.namespace = namespace
        user = 0 if "hostPath" in volume else 65532
        kubectl("create", "--namespace", namespace, "-f", "-", input=json.dumps({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "store", "labels": labels or {}}, "spec": {
                "containers": [{"name": "store", "image": image, "args": ["store", "9000", str(EFFECTS)],
                                "securityContext": {"runAsUser": user},
                                "volumeMounts": [{"name": "effects", "mountPath": str(EFFECTS)}]}],
                "volumes": [{"name": "effects", **volume}]}}))
        kubectl("wait", "--namespace", namespace, "--for=condition=Ready", "pod/store", "--timeout=120s")
        pod = json.loads(kubectl("get", "--namespace", namespace, "pod", "store", "-o", "json").stdout)
        self.address, self.node = pod["status"]["podIP"], pod["spec"]["nodeName"]
        if EXISTING:
            before = now_ns()
            boottime, wall = (int(word) for word in self.run("/worker", "clocks").split())
            ahead_ns = boottime - (before + now_ns()) // 2
            self.booted_ns = wall - boottime

    def run(self, *words):
        return kubectl("exec", "--namespace", self.namespace, "store", "--", *words, check=False).stdout

    def remove(self):
        self.run("/bin/sh", "-c", f"/bin/busybox rm -r {EFFECTS}/*")
        kubectl("delete", "namespace", self.namespace)


reader = None  # where the store is a Pod


def booted_ns():
    """When the node's CLOCK_BOOTTIME was zero, by its wall clock."""
    if EXISTING:
        return reader.booted_ns
    return max(time.time_ns() - now_ns() for _ in range(5))  # a pause between the two makes it less


def make_folder(folder):
    """On the node, for workers of any uid."""
    if reader:
        reader.run("/bin/busybox", "mkdir", "-m", "777", folder)
    else:
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)


def node(*words):
    return run(ROOT / "e2e/cluster", *words)


def wait_for(what, function, seconds=60):
    """The first answer that is true; `what` says what was missing when there is none."""
    deadline = time.monotonic() + seconds
    while not (answer := function()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)
    return answer


def pids_of_container(container_id):
    """As this machine counts, the container's first process first."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if container_id in (folder / "cgroup").read_text():
                    found.append(int(folder.name))
            except OSError:
                pass  # it has ended
    return sorted(found)


def pid_of_component(name):
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_text().split("\0")
            except OSError:
                continue
            if Path(words[0]).name == name and any(f"{NODE}/" in word for word in words):
                return int(folder.name)
    raise AssertionError(f"no {name} runs on the node")


@dataclasses.dataclass
class Line:
    """One of the worker's, see worker.cc."""
    time_ns: int
    pod: str
    word: str
    token: int


@dataclasses.dataclass
class Term:
    token: int
    pod: str
    first_ns: int
    last_ns: int
    effects: int


@dataclasses.dataclass
class Version:
    """Of the Lease, with the time at which its writer sent it."""
    time_ns: int
    event: str
    holder: str
    token: int
    is_released: bool


class LeaseWatch:
    def __init__(self, namespace, name):
        self.versions = []
        self.process = None
        self.path = (f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
                     f"?watch=true&fieldSelector=metadata.name%3D{name}")
        self.ended = False
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        version = ""
        while not self.ended:  # a watch ends with its API server
            target = self.path + (f"&resourceVersion={version}" if version else "")
            self.process = subprocess.Popen([BIN / "kubectl", "get", "--raw", target], env=ENVIRONMENT,
                                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            if self.ended:  # stop() may have looked before there was a process
                self.process.terminate()
            for text in self.process.stdout:
                at, event = now_ns(), json.loads(text)
                if event["type"] == "ERROR":
                    version = ""
                    break
                version = event["object"]["metadata"]["resourceVersion"]
                self.versions.append(self.read(at, event))
            self.process.terminate()
            self.process.wait()
            time.sleep(0.2)

    @staticmethod
    def read(at, event):
        lease = event["object"]
        marks = lease["metadata"].get("annotations", {})
        spec = lease.get("spec", {})
        holder = spec.get("holderIdentity", "")
        if "renewTime" in spec:
            written = datetime.datetime.fromisoformat(spec["renewTime"].replace("Z", "+00:00"))
            at = int(written.timestamp() * 1e6) * 1000 - booted_ns()
        mark = f"{marks.get('baton/term')}/{spec.get('leaseTransitions', 0)}"
        return Version(at, event["type"], holder, int(marks.get("baton/fencing-token", 0)),
                       not holder and marks.get("baton/released") == mark)

    def stop(self):
        self.ended = True
        if self.process:
            self.process.terminate()
        self.thread.join()


def read_lines(folder, name="effects"):
    file = folder / name
    text = reader.run("/bin/busybox", "cat", file) if reader else file.read_text() if file.exists() else ""
    lines = [each.split() for each in text.split("\n")[:-1]]
    return [Line(int(at), pod, word, int(token)) for at, pod, word, token in lines]


def terms_of(lines):
    terms = {}
    for line in lines:
        if line.word == "effect":
            term = terms.setdefault(line.token, Term(line.token, line.pod, line.time_ns, 0, 0))
            term.last_ns = max(term.last_ns, line.time_ns)
            term.first_ns = min(term.first_ns, line.time_ns)
            term.effects += 1
    return [terms[token] for token in sorted(terms)]


def violations(lines, versions, is_fenced):
    """What contradicts: one leader at a time, rising tokens, old effects before new ones. With
    `is_fenced` the store's refusal may stand in for the last: each late effect must have met one."""
    found = []
    terms = terms_of(lines)
    owners = {}
    for line in lines:
        if line.word == "effect" and owners.setdefault(line.token, line.pod) != line.pod:
            found.append(f"token {line.token} was used by {owners[line.token]} and {line.pod}")
    for old, new in zip(terms, terms[1:]):
        if old.first_ns >= new.first_ns:
            found.append(f"token {new.token} acted before {old.token}")
        if old.last_ns >= new.first_ns:
            late = [each for each in lines if each.word == "effect" and each.token == old.token
                    and each.time_ns >= new.first_ns]
            refused = sum(each.word == "refused" and each.token == old.token for each in lines)
            # The store refuses from the new leader's first request on, which follows its first line.
            must_be = sum(each.time_ns > new.first_ns + 100_000_000 for each in late)
            if not is_fenced or refused < must_be:
                found.append(f"{old.pod} ({old.token}) acted {len(late)} times after {new.pod} ({new.token}) "
                             f"had begun, until +{(old.last_ns - new.first_ns) / 1e6:.1f} ms; "
                             f"the store refused {refused}")
    highest, holder = 0, ""
    for version in versions:
        if version.token < highest:
            found.append(f"the Lease's token fell from {highest} to {version.token}")
        if version.holder and version.holder != holder and version.token <= highest and holder:
            found.append(f"{version.holder} holds the Lease with {version.token}, not above {highest}")
        highest, holder = max(highest, version.token), version.holder or holder
    return list(dict.fromkeys(found))


def store_violations(lines, requests):
    """What contradicts in the fenced store's record, and between it and the workers' lines, which were
    read before it. A process that was killed, or is at work, may have left one effect half done."""
    found, highest = [], 0
    for each in requests:
        if each.word == "taken" and each.token < highest:
            found.append(f"the store took {each.token} of {each.pod} after {highest}")
        if each.word == "refused" and each.token >= highest:
            found.append(f"the store refused {each.token} of {each.pod}, with {highest} the highest taken")
        highest = max(highest, each.token if each.word == "taken" else 0)
    until_ns = max((line.time_ns for line in lines), default=0)
    said = collections.Counter((line.pod, line.token, line.word) for line in lines)
    heard = collections.Counter((each.pod, each.token, each.word) for each in requests if each.time_ns <= until_ns)
    for pod, token in sorted({(each.pod, each.token) for each in lines + requests if each.token}):
        acted, noted, unanswered = (said[pod, token, word] for word in ("effect", "refused", "unanswered"))
        taken, refused = (heard[pod, token, word] for word in ("taken", "refused"))
        half_done = said[pod, 0, "start"]
        if unanswered:
            found.append(f"the store did not answer {pod} ({token}) {unanswered} times")
        if not acted - half_done <= taken + refused <= acted:
            found.append(f"{pod} ({token}) acted {acted} times, and the store heard of {taken + refused}")
        if not noted <= refused <= noted + half_done:
            found.append(f"{pod} ({token}) was refused {noted} times, and the store refused {refused}")
        if acted > half_done and not taken:
            found.append(f"the store took none of the {acted} effects of {pod} ({token})")
    return list(dict.fromkeys(found))


@dataclasses.dataclass
class HandOver:
    """All in ms from the old leader's last effect; None: not seen."""
    old: str
    new: str
    tokens: tuple
    sigterm: float
    ended: float
    released: float
    acquired: float
    gap: float

    def __str__(self):
        def ms(value):
            return "      -" if value is None else f"{value:+7.0f}"
        return (f"{self.old[-5:]} ({self.tokens[0]}) -> {self.new[-5:]} ({self.tokens[1]})"
                f"  SIGTERM {ms(self.sigterm)}  exit {ms(self.ended)}  release {ms(self.released)}"
                f"  acquired {ms(self.acquired)}  first effect {ms(self.gap)}")


def hand_overs(lines, versions):
    found = []
    terms = terms_of(lines)
    for old, new in zip(terms, terms[1:]):
        def since(times, start=old.last_ns):
            return next(((at - start) / 1e6 for at in times), None)
        found.append(HandOver(
            old.pod, new.pod, (old.token, new.token),
            since(x.time_ns for x in lines if x.word == "term" and x.pod == old.pod and x.time_ns >= old.first_ns),
            since(x.time_ns for x in lines if x.word == "exit" and x.pod == old.pod and x.time_ns >= old.first_ns),
            since(x.time_ns for x in versions if x.is_released and old.token <= x.token < new.token),
            since(x.time_ns for x in versions if x.holder and x.token == new.token),
            (new.first_ns - old.last_ns) / 1e6))
    return found


def signal_component(name, number):
    os.kill(pid_of_component(name), number)


def copy_charts():
    """Into a folder of their own, with their dependencies beside them."""
    for name in ("charts", "tests/pods/worker"):
        shutil.copytree(ROOT / name, WORK / name, ignore=shutil.ignore_patterns("*.tgz", "*.lock"))
    for name in ("charts/baton", "tests/pods/worker"):
        helm("dependency", "build", WORK / name)
