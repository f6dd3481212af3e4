"""The election that is rehearsed with: three Pods and a fenced store in one namespace, and what they recorded."""
import json
import os
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request

import alerts
import pods
import stage
from pods import kubectl, now_ns, wait_for

RELEASE = "baton-gameday"  # of helm, and the name of the Lease
OURS = {"baton/gameday": "true"}
KINDS = ("deployments", "statefulsets", "daemonsets", "replicasets", "replicationcontrollers", "jobs", "cronjobs", "pods")
LEASES = "leases.coordination.k8s.io"
RIGHTS = ("create pods", "get pods", "list pods", "delete pods", "create pods/exec", "get pods/log",
          "create deployments.apps", "get deployments.apps", "patch deployments.apps", "delete deployments.apps",
          "create serviceaccounts", "create roles.rbac.authorization.k8s.io", "create rolebindings.rbac.authorization.k8s.io",
          "list secrets", "create secrets", "delete secrets",  # helm keeps its releases there
          *(f"{verb} {LEASES}" for verb in ("get", "list", "watch", "create", "update", "delete")), "create events")
WORKER = {"PACE_MS": "50", "ON_TERM": "1500"}  # it takes a moment to end: docs/termination.md
TOKEN_S = 600  # the shortest that the API server gives
PATIENCE_S = 240  # against a hang only: no verdict rests on how fast the machine is


def is_ours(thing):
    meta = thing["metadata"]
    return (meta.get("annotations", {}).get("meta.helm.sh/release-name") == RELEASE
            or OURS.items() <= meta.get("labels", {}).items())


def foreign(things):
    """Those that no controller in the namespace made, and that are not of a rehearsal."""
    return [f"{each['kind'].lower()}/{each['metadata']['name']}" for each in things
            if not any(owner.get("controller") for owner in each["metadata"].get("ownerReferences", []))
            and not is_ours(each)]


class Rehearsal(stage.Scenario):
    election = RELEASE

    def __init__(self, namespace, timings):
        super().__init__()
        self.namespace, self.timings = namespace, timings
        self.folder = pods.EFFECTS / namespace
        self.watch, self.alerts, self.is_made, self.marks = None, None, False, []
        self.record, self.read_bytes, self.read_at = [], 0, 0.0

    # --- before and after ---

    def objections(self, rights):
        """What stands against playing here; the namespace is not touched."""
        answer = kubectl("get", "--raw", "/readyz", check=False)
        if answer.stdout != "ok":
            return [f"the API server does not answer: {(answer.stderr or answer.stdout).strip()}"]
        found, namespace = [], kubectl("get", "namespace", self.namespace, "-o", "json", check=False)
        self.is_made = not namespace.stdout  # by the rehearsal
        if self.is_made:
            if "NotFound" not in namespace.stderr:
                found.append(f"the namespace {self.namespace} cannot be read: {namespace.stderr.strip()}")
            rights = ("create namespaces", "delete namespaces", *rights)
        else:
            self.is_made = OURS.items() <= json.loads(namespace.stdout)["metadata"].get("labels", {}).items()
            things = self.k("get", ",".join(KINDS), "-o", "json", check=False)
            if things.returncode:
                return [f"what the namespace {self.namespace} holds cannot be listed: {things.stderr.strip()}"]
            found += [f"the namespace {self.namespace} holds {name}, which is not of a rehearsal: name another by --namespace"
                      for name in foreign(json.loads(things.stdout)["items"])]
        return found + [f"the right to {right} is missing in the namespace {self.namespace}"
                        for right in dict.fromkeys((*RIGHTS, *rights)) if not self.may(right)]

    def may(self, right):
        verb, resource = right.split()
        resource, _, subresource = resource.partition("/")
        return self.k("auth", "can-i", verb, resource, f"--subresource={subresource}", check=False).stdout.strip() == "yes"

    def begin(self):
        if not kubectl("get", "namespace", self.namespace, check=False).stdout:
            kubectl("create", "-f", "-", input=json.dumps({
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": OURS}}))
        self.uninstall()  # what one that was killed has left
        stage.bring_images()
        worker = stage.place.get("image", "worker:test")
        pods.reader = pods.Reader(worker, self.namespace, {"emptyDir": {}}, OURS)
        stage.place["store"] = pods.reader.address
        pods.make_folder(self.folder)
        self.watch = pods.LeaseWatch(self.namespace, self.election)
        self.install(RELEASE, effects="", tokenSeconds=TOKEN_S, env=WORKER, baton={
            "election": RELEASE, "serviceAccounts": ["worker"], "settings": {"log-level": "debug", **self.timings}})
        self.rolled_out(seconds=PATIENCE_S)
        if not pods.EXISTING and shutil.which("prometheus"):
            self.alerts = alerts.Alerts(self.namespace, self.election, self.timings)

    def uninstall(self):
        pods.helm("uninstall", RELEASE, "--namespace", self.namespace, "--ignore-not-found", "--wait")
        left = self.k("delete", "pod/store", f"lease/{RELEASE}", "--ignore-not-found", check=False)
        if left.returncode:  # a guard may forbid it
            print(f"left in {self.namespace}: {left.stderr.strip()}", file=sys.stderr)
        wait_for("the rehearsal's Pods are gone", lambda: not self.get("pods", "-l", "app=worker"), PATIENCE_S)

    def remove(self):
        """All that was made."""
        for each in (self.watch, self.alerts):
            if each:
                each.stop()
        self.uninstall()
        if self.is_made:
            kubectl("delete", "namespace", self.namespace, "--ignore-not-found", f"--timeout={PATIENCE_S}s")

    # --- what is so ---

    def lines(self):
        """The store's record, which grows: who wrote with which token, in its order and by its clock."""
        if time.monotonic() > self.read_at + 0.5:
            text = pods.reader.run("/bin/busybox", "tail", "-c", f"+{self.read_bytes + 1}", self.folder / "store")
            whole = text[:text.rfind("\n") + 1]
            self.read_bytes += len(whole)
            for at, pod, word, token in map(str.split, whole.splitlines()):
                self.record.append(pods.Line(int(at), pod, "effect", int(token)))
                if word == "refused":
                    self.record.append(pods.Line(int(at), pod, "refused", int(token)))
            self.read_at = time.monotonic()
        return self.record

    def leading(self, other_than=(), seconds=PATIENCE_S, after_ns=None):
        return super().leading(other_than, seconds, after_ns)

    def next_term(self, old):
        return wait_for(f"a term after that of {old.token}", lambda: (
            lambda term: term.token > old.token and term)(self.leading()), PATIENCE_S)

    def renewals(self, count):
        """So many more are written, by whoever leads."""
        start = len(self.watch.versions)
        wait_for(f"{count} renewals", lambda: sum(bool(v.holder) for v in self.watch.versions[start:]) >= count, PATIENCE_S)

    def processes(self, pod, *containers):
        """As this machine counts."""
        found = []
        for name in containers:
            identity = self.container(pod, name)[0]
            self.assertRegex(identity, "^[0-9a-f]{64}$", f"{pod}'s container {name} does not run")
            found += pods.pids_of_container(identity)
        return found

    def addresses(self):
        return [each["status"]["podIP"] for each in self.pods()]

    def all_say_no(self, addresses):
        """Of the Pods that were there: each sidecar answers, and that it does not lead."""
        return all(ask(f"http://{address}:4041/leaderz") == 503 for address in addresses)

    def token_expiry(self, pod):
        """Of the token that its sidecar sends, as it says itself, in seconds since 1970."""
        text = self.k("get", "--raw", f"/api/v1/namespaces/{self.namespace}/pods/{pod}:4041/proxy/metrics").stdout
        return next(float(line.split()[-1]) for line in text.splitlines()
                    if line.startswith("baton_credential_expiry") and 'credential="token"' in line)

    def lost(self, term):
        """Why its sidecar says that the term was lost; None where that sidecar is gone or was restarted."""
        if not any(each["metadata"]["name"] == term.pod and "deletionTimestamp" not in each["metadata"] for each in self.pods()):
            return None
        if self.container(term.pod, "baton")[1]:
            return None
        return [x["reason"] for x in self.log(term.pod, "lost") if x["token"] == str(term.token)]

    def waited_s(self, term):
        """For how long its sidecar had seen no change of the Lease when it took it, by its own clock."""
        lines = self.log(term.pod, "observed", "attempt")
        taken = next(i for i, x in enumerate(lines) if x["msg"] == "attempt" and x["token"] == str(term.token))
        seen = [x["decided_boottime_ns"] for x in lines[:taken] if x["msg"] == "observed"]
        return (lines[taken]["decided_boottime_ns"] - seen[-1]) / 1e9 if seen else 0.0

    def mark(self, text):
        """On the timeline."""
        self.marks.append((now_ns(), text))

    def api_is_back(self):
        wait_for("the API server is back", lambda: kubectl("get", "--raw", "/readyz", check=False).stdout == "ok", PATIENCE_S)
        self.mark("API server answers")


def taken(lines):
    """Of the store's record, the writes that it did not refuse."""
    refused = {(line.pod, line.time_ns) for line in lines if line.word == "refused"}
    return [line for line in lines if line.word == "effect" and (line.pod, line.time_ns) not in refused]


DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url):
    """The status, or 0."""
    try:
        with DIRECT.open(url, timeout=2) as answer:
            return answer.status
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:
        return 0


def signal_all(processes, number):
    for each in processes:
        try:
            os.kill(each, number)
        except ProcessLookupError:
            pass  # the kubelet ended it


class Stutter:
    """kube-apiserver, stopped for half of each second."""

    def __enter__(self):
        self.process, self.ended = pods.pid_of_component("kube-apiserver"), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        number = 0
        while not self.ended.wait(0.5):
            number += 1
            os.kill(self.process, stage.signal.SIGSTOP if number % 2 else stage.signal.SIGCONT)

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        os.kill(self.process, stage.signal.SIGCONT)
