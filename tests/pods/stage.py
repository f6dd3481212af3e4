"""A namespace, a release of the worker's chart and a record of what happens, for each scenario."""
import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
import unittest

import pods
from pods import BIN, EFFECTS, ENVIRONMENT, ROOT, WORK, helm, kubectl, now_ns, wait_for

BATON = os.environ.get("BATON_PROGRAM", ROOT / "build/release/baton")
WORKER = WORK / "tests/pods/worker"
ROWS = []  # of the table
TIMES = 10
store = None
image = {}
place = {}  # values of the worker's chart: where it runs

# Lets the worker work until its process ends, whatever the sidecar says: then the order of things is
# the kubelet's and the sidecar's work alone.
UNTIL_IT_ENDS = {"ASKS": "once", "ON_TERM": "1500"}
# Works until it is killed, and has promised that its holding connection ends no sooner.
UNTIL_KILLED = {"ASKS": "hold", "WORKS_ON_MS": "3600000", "ON_TERM": "ignore"}
BALANCED = {"settings": {}}
PATIENT = {"settings": {"profile": "conservative"}}


def set_up(times):
    """Images, charts and the store; called on the node."""
    global store, TIMES
    TIMES = times
    bring_images()
    if pods.EXISTING:
        kubectl("create", "namespace", pods.Reader.NAMESPACE)
        pods.reader = pods.Reader(place["image"])
        place.update(node=pods.reader.node, store=pods.reader.address)
        return
    EFFECTS.mkdir(mode=0o777, exist_ok=True)
    EFFECTS.chmod(0o777)
    store = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", WORK / "worker", "store", "9000", EFFECTS])


def bring_images():
    """Of baton and the worker, onto our node; an existing cluster's nodes fetch them by their names. And the charts."""
    global image
    pods.copy_charts()
    if pods.EXISTING:
        repository, _, tag = pods.EXISTING.rpartition(":")
        image = {"repository": repository, "tag": tag}
        place["image"] = os.environ.get("BATON_WORKER_IMAGE", "worker:test")
        return
    pods.run("g++", "-std=c++20", "-O1", "-static", ROOT / "tests/pods/worker.cc", "-o", WORK / "worker")
    pack("worker:test", f"{WORK}/worker=/worker", "/bin/busybox", "/bin/sh@busybox", "--", "/worker")
    archive = os.environ.get("BATON_IMAGE_ARCHIVE")
    if not archive:
        archive = WORK / "baton.tar"
        pods.run(ROOT / "e2e/image", "baton:packed", archive, "--program", f"{BATON}=/baton", "--", "/baton")
    manifest = json.loads(pods.run("tar", "-xOf", archive, "manifest.json").stdout)
    [name, *_] = manifest[0]["RepoTags"]
    pods.node("ctr", "image", "import", archive)
    repository, _, tag = name.rpartition(":")
    full = name if "." in name.partition("/")[0] else f"docker.io/library/{name}"
    version = re.search(r"project\(baton VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    for tag_too in (full.rpartition(":")[0] + ":other", f"docker.io/library/baton:{version}"):
        if tag_too != full:
            pods.node("ctr", "image", "tag", "--force", full, tag_too)
    image = {"repository": repository.removeprefix("docker.io/library/"), "tag": tag}


def tear_down():
    if pods.reader:
        pods.reader.remove()
        return
    store.kill()
    store.wait()


def print_table():
    print("\nscenario                                   hand-overs  without effect, median / max ms  refused")
    for name, gaps, refused in sorted(ROWS):
        figures = f"{statistics.median(gaps):8.0f} / {max(gaps):.0f}" if gaps else "       -"
        print(f"{name:42} {len(gaps):10}  {figures:31}  {refused:7}")


def pack(name, *words):
    """An image on the node, as e2e/image makes it."""
    archive = WORK / f"{name.replace(':', '-')}.tar"
    pods.run(ROOT / "e2e/image", name, archive, *words)
    pods.node("ctr", "image", "import", archive)


def scenario_name(test):
    return ".".join(test.id().split(".")[-2:]).replace(".test_", ": ").replace("_", " ")


class Scenario(unittest.TestCase):
    is_fenced = False  # may the store's refusals stand in for the order of effects?
    is_alone = False  # or do others run beside it?
    is_long = False
    election = "worker"
    maxDiff = None

    def setUp(self):
        self.name = scenario_name(self)
        self.namespace = f"{self.id().split('test_', 1)[1].replace('_', '-')}-{now_ns() % 1000000:06}"
        self.folder = EFFECTS / self.namespace
        pods.make_folder(self.folder)
        self.began_ns = now_ns()
        self.timeline = []
        kubectl("create", "namespace", self.namespace)
        self.watch = pods.LeaseWatch(self.namespace, self.election)
        self.addCleanup(self.clean_up)

    def clean_up(self):
        self.watch.stop()
        kubectl("delete", "namespace", self.namespace, "--wait=false")
        wait_for("the namespace's Pods are gone", lambda: not self.get("pods", check=False), 90)

    def tearDown(self):
        """One leader at a time, tokens rise, old effects before new ones, the store agrees; and the timeline."""
        lines, versions = self.lines(), self.watch.versions
        overs = pods.hand_overs(lines, versions)
        refused = sum(line.word == "refused" for line in lines)
        self.timeline += overs
        self.assertTrue(pods.terms_of(lines), "no effect at all")
        ROWS.append((self.name, [over.gap for over in overs], refused))
        self.assertEqual([], pods.violations(lines, versions, self.is_fenced) +
                         pods.store_violations(lines, self.requests()))

    # --- acts ---

    def install(self, name="worker", chart=WORKER, **values):
        baton = {"image": image, "settings": {"profile": "aggressive"}, **values.pop("baton", {})}
        values = {**{f"baton.{key}": value for key, value in baton.items()},
                  **({"effects": str(self.folder), **place} if chart == WORKER else {}), **values}
        words = itertools.chain(*(("--set-json", f"{key}={json.dumps(value)}") for key, value in values.items()))
        helm("upgrade", "--install", name, chart, "--namespace", self.namespace, *words)

    def k(self, *words, **options):
        return kubectl("--namespace", self.namespace, *words, **options)

    def note(self, text):
        self.timeline.append(text)

    def patch(self, thing, patch, *words):
        self.k("patch", thing, "--patch", json.dumps(patch), *words)

    def rolled_out(self, what="deployment/worker", seconds=120):
        self.k("rollout", "status", what, f"--timeout={seconds}s")

    def leading(self, other_than=(), seconds=60, after_ns=None):
        """The Pod whose effects are the newest, once they began after this call."""
        start = after_ns or now_ns()

        def newest():
            terms = pods.terms_of(self.lines())
            return terms and terms[-1].last_ns > start and terms[-1].pod not in other_than and terms[-1]
        return wait_for(f"another leader than {other_than or 'none'} acts", newest, seconds)

    # --- what is so ---

    def lines(self):
        return pods.read_lines(self.folder)

    def requests(self):
        """To the store, in its order."""
        return pods.read_lines(self.folder, "store")

    def get(self, *words, check=True):
        answer = self.k("get", *words, "-o", "json", check=check)
        thing = json.loads(answer.stdout or "{}")
        return thing.get("items", thing)

    def pods(self):
        return self.get("pods", "-l", "app=worker")

    def container(self, pod, name):
        """(id, restarts, status)"""
        status = self.get("pod", pod)["status"]
        for each in status.get("initContainerStatuses", []) + status.get("containerStatuses", []):
            if each["name"] == name:
                return each.get("containerID", "").rpartition("/")[2], each["restartCount"], each
        return "", 0, {}

    def log(self, pod, *messages):
        """What the Pod's sidecar has logged under these names."""
        lines = map(json.loads, self.k("logs", pod, "-c", "baton").stdout.splitlines())
        return [line for line in lines if line["msg"] in messages]

    def await_injection(self, account):
        """A policy acts some seconds after it was made."""
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dry", "annotations": {"baton/election": "worker"}},
               "spec": {"serviceAccountName": account, "containers": [{"name": "worker", "image": "worker:test"}]}}
        wait_for("the injection acts", lambda: "initContainers" in self.k(
            "create", "--dry-run=server", "-o", "json", "-f", "-", input=json.dumps(pod)).stdout)

    def deadline_ns(self, pod, token, told_ns=None):
        """Of the validity that its term had at that time, or else when it began to drain."""
        lines = [line for line in self.log(pod, "gained", "extended", "draining") if line["token"] == str(token)]
        told_ns = told_ns or next(x["decided_boottime_ns"] for x in lines if x["msg"] == "draining")
        return max(x["deadline_boottime_ns"] for x in lines if x["decided_boottime_ns"] < told_ns)

    def grounds(self, pod, token):
        """Of its acquisition; it logs them with log-level debug."""
        return next(x["reason"] for x in self.log(pod, "attempt") if x["token"] == str(token))

    def written(self, token, is_held=True):
        """The Lease's versions with this token."""
        return [v for v in self.watch.versions if v.token == token and bool(v.holder) == is_held]

    def kill(self, pod, container):
        """SIGKILL to its first process."""
        def running():
            found = self.container(pod, container)[0]  # the Pod's status may still name the last one
            return found and pods.pids_of_container(found)
        os.kill(wait_for(f"the container {container} runs", running)[0], signal.SIGKILL)

    def describe(self):
        """Its Pods, and the last that their containers said."""
        names = self.k("get", "pods", "-o", "name", check=False).stdout.split()
        logs = [self.k("logs", name, "--all-containers", "--ignore-errors", "--prefix", "--tail=8", check=False).stdout
                for name in names]
        return "".join([self.k("get", "pods", "-o", "wide", check=False).stdout, *logs])

    def why_unready(self, pod):
        """The reason, once `/readyz?verbose` and `baton status` both give it."""
        def told():
            address = self.get("pod", pod)["status"].get("podIP")
            answer = pods.run("curl", "--silent", f"http://{address}:4041/readyz?verbose", check=False).stdout
            return re.search(r"^\[-\] state: blocked, (.*)$", answer, re.MULTILINE)
        why = wait_for("a reason in /readyz?verbose", told)[1]
        self.note(f"/readyz?verbose: [-] state: blocked, {why}")
        status = self.k("exec", pod, "-c", "baton", "--", "/baton", "status", check=False).stdout
        self.assertIn(why[:60], " ".join(status.split()))
        return why

    def check(self, pod):
        """`baton check`, which succeeds."""
        return self.k("exec", pod, "-c", "baton", "--", "/baton", "check").stdout

    def last_hand_over(self):
        """Once the watch has told all up to the next leader's acquisition."""
        def told():
            over = pods.hand_overs(self.lines(), self.watch.versions)[-1]
            return over.acquired is not None and over
        return wait_for("the watch tells of the next leader", told)

    def assert_released(self, over):
        """The work ended, then came the release, then the next leader."""
        self.assertIsNotNone(over.released, f"not released: {over}")
        self.assertLess(0, over.released)
        self.assertLess(over.released, over.gap)

    def assert_before_the_clock(self, term):
        """The release rested on another proof than that its last yes had run out."""
        left_ns = self.deadline_ns(term.pod, term.token) - self.written(term.token, is_held=False)[-1].time_ns
        self.assertLess(0, left_ns, "released by the clock, not by the proof")
        self.note(f"released {left_ns / 1e9:.1f} s before the clock would have proved it")

    def assert_not_released_early(self, over):
        if over.released is not None:
            self.assertLess(0, over.released, f"released while the work ran: {over}")

    def assert_not_released(self, over):
        self.assertIsNone(over.released, f"released: {over}")
