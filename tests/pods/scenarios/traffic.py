"""Requests through the leader's Service, all the while that leadership changes hands."""
import collections
import dataclasses
import json
import shutil
import socket
import statistics
import threading

import stage
from pods import now_ns, on_our_node
from stage import BALANCED, Scenario, wait_for

# The worker answers requests; the end of its stream is the proof that a release waits for.
SERVES = {"SERVES": "8080", "ASKS": "hold"}
# And then answers no for a second: kube-proxy goes on sending requests until it has taken in the change.
RESIGN_FIRST = ["/bin/busybox", "sh", "-c", "/worker say POST '/resign?wait=8s' 9; /bin/busybox sleep 1"]
PORTS = [{"name": "http", "port": 80, "targetPort": 8080}]
SETTLED_S = 1.5  # as long as kube-proxy needs to take in a hand-over


@dataclasses.dataclass
class Answer:
    sent_ns: int
    came_ns: int
    what: str  # served, told no (503), refused (no connection) or broken (silence, reset)
    pod: str = ""
    token: int = 0


class Client:
    """Some 100 requests a second, each on a connection of its own, and 20 over one that is kept."""

    def __init__(self, address):
        self.address = address
        self.fresh, self.kept, self.connection = [], [], None
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.go_on, args=(self.ask_anew, 0.08)) for _ in range(8)]
        self.threads.append(threading.Thread(target=self.go_on, args=(self.ask_again, 0.05)))
        for thread in self.threads:
            thread.start()
            self.ended.wait(0.01)

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def go_on(self, ask, period_s):
        while not self.ended.wait(period_s):
            ask()

    def ask(self, connection):
        """The answer, and the connection that it came by, if any."""
        sent = now_ns()
        try:
            connection = connection or socket.create_connection((self.address, 80), timeout=1)
            connection.sendall(b"GET / HTTP/1.1\r\nHost: worker\r\n\r\n")
            head, _, body = connection.recv(4096).decode().partition("\r\n\r\n")
            pod, token = body.split()
            what = "served" if " 200 " in head else "told no"
            return Answer(sent, now_ns(), what, pod, int(token)), connection
        except ConnectionRefusedError:
            return Answer(sent, now_ns(), "refused"), connection
        except (OSError, ValueError):
            return Answer(sent, now_ns(), "broken"), connection

    def ask_anew(self):
        answer, connection = self.ask(None)
        self.fresh.append(answer)
        if connection:
            connection.close()

    def ask_again(self):
        is_kept = self.connection is not None
        answer, connection = self.ask(self.connection)
        if is_kept:
            self.kept.append(answer)
        if connection and answer.what != "served":
            connection.close()
        self.connection = connection if answer.what == "served" else None

    def is_settled(self):
        """Nobody was told no for a while: the Service leads to the leader alone."""
        start = now_ns() - SETTLED_S * 1e9
        recent = [each for each in self.fresh if each.sent_ns >= start]
        return any(each.what == "served" for each in recent) and all(each.what != "told no" for each in recent)

    def served(self, other_than=()):
        """One of the Pods, as answered to a request that is sent after this call."""
        start = now_ns()
        return wait_for(f"an answer of another than {list(other_than)}", lambda: next(
            (each.pod for each in reversed(self.fresh) if each.what == "served" and each.sent_ns > start
             and each.pod not in other_than), None))


def served_late(answers):
    """By a leader of the past: asked after a later one's answer had come."""
    came = sorted((each for each in answers if each.what == "served"), key=lambda each: each.came_ns)
    newest, found = 0, []
    for each in sorted(came, key=lambda each: each.sent_ns):
        while came and came[0].came_ns < each.sent_ns:
            newest = max(newest, came.pop(0).token)
        found += [each] if each.token < newest else []
    return found


def terms_in(versions):
    """[(when it began, its token, its Pod)], in order."""
    terms = {}
    for each in versions:
        if each.holder:
            terms.setdefault(each.token, (each.time_ns, each.token, each.holder.partition("_")[0]))
    return sorted(terms.values())


def served_by_former(answers, terms):
    """Of a token that a later one had followed before the request was sent."""
    return [each for each in answers if each.what == "served" and any(
        token > each.token and begun_ns < each.sent_ns for begun_ns, token, _ in terms)]


def told_no_by(answers, terms):
    """How many by the leader of that moment or the one before it, by one further back, by a Pod that
    had never led."""
    count = collections.Counter()
    for each in answers:
        if each.what == "told no":
            leaders = [pod for begun_ns, _, pod in terms if begun_ns < each.came_ns]
            count["two" if each.pod in leaders[-2:] else "former" if each.pod in leaders else "standby"] += 1
    return count["two"], count["former"], count["standby"]


@on_our_node
class Requests(Scenario):
    app = "worker"
    former_may_answer = False  # a Pod that leads no more, two hand-overs later: it says no

    def pods(self):
        return self.get("pods", "-l", f"app={self.app}")

    def report(self, title, client, since_ns):
        """What came since then, and how long each new leader took to be reached."""
        fresh = [each for each in client.fresh if each.sent_ns >= since_ns]
        kept = [each for each in client.kept if each.sent_ns >= since_ns]
        first, last = {}, {}
        for each in sorted(fresh, key=lambda each: each.came_ns):
            if each.what == "served":
                first.setdefault(each.token, each.came_ns)
                last[each.token] = each.came_ns
        released = {version.token: version.time_ns for version in self.watch.versions if version.is_released}
        pairs = list(zip(sorted(first), sorted(first)[1:]))
        terms = terms_in(self.watch.versions)
        leaders, former, standbys = told_no_by(fresh, terms)
        count = collections.Counter(each.what for each in fresh)
        ends = collections.Counter(each.what for each in kept)
        self.note(f"{title}: {len(pairs)} hand-overs; between two leaders' answers "
                  f"{self.times((first[new] - last[old]) / 1e6 for old, new in pairs)}; from the release on "
                  f"{self.times((first[new] - released[old]) / 1e6 for old, new in pairs if old in released)}")
        self.note(f"    {len(fresh)} requests: {count['refused']} refused, {count['broken']} broken, {leaders} told no "
                  f"by the leader that was, {former} by one before it, {standbys} by a Pod that had never led; kept "
                  f"connection: {ends['told no']} times told no and closed, "
                  f"{ends['refused'] + ends['broken']} times broken")
        self.assertEqual([], served_late(fresh + kept))
        self.assertEqual([], served_by_former(fresh + kept, terms))
        self.assertEqual(0, standbys, "requests reached a standby")
        if not self.former_may_answer:
            self.assertEqual(0, former, "requests reached a leader of long ago")
        return count["refused"]

    @staticmethod
    def times(values):
        values = list(values)
        return f"{statistics.median(values):.0f} ms, at most {max(values):.0f}" if values else "-"

    def install_first(self, **values):
        self.install(**values)
        # Its policy is the cluster's and would outlive the namespace.
        self.addCleanup(stage.helm, "uninstall", "worker", "--namespace", self.namespace)

    def start_client(self, service="worker"):
        self.running(3)
        self.leading()
        client = Client(self.get("service", service)["spec"]["clusterIP"])
        self.addCleanup(client.stop)
        client.served()
        return client

    def hand_over(self, client, title, times, act):
        start = now_ns()
        for _ in range(times):
            self.running(3)  # else a Pod may win whose server is not up yet
            wait_for("kube-proxy has taken in the last hand-over", client.is_settled)
            old = client.served()
            act(old)
            client.served(other_than=[old])
        self.running(3)
        return self.report(title, client, start)

    def roll_out(self, client, **values):
        start, old = now_ns(), self.uids()
        self.install(env={**SERVES, "VERSION": "2"}, **values)
        self.running(3, other_than=old)
        client.served()
        self.report("roll-out", client, start)

    def play(self, **values):
        values = {"preStop": RESIGN_FIRST, **values}
        self.install_first(env=SERVES, **values)
        client = self.start_client()
        refused = self.hand_over(client, "resign", 17, self.resign)
        self.hand_over(client, "deletion", 3, self.delete)
        self.roll_out(client, **values)
        return refused

    def resign(self, pod):
        """From within the Pod's network, as its containers would."""
        [sidecar, *_] = stage.pods.pids_of_container(self.container(pod, "baton")[0])
        stage.pods.run("nsenter", "--target", sidecar, "--net", "curl", "--silent", "--fail", "--request", "POST",
                       "--header", "Baton-Control: 1", "http://127.0.0.1:4040/resign?wait=30s")

    def delete(self, pod):
        self.k("delete", "pod", pod, "--wait=false")

    def uids(self):
        return {pod["metadata"]["uid"] for pod in self.pods()}

    def running(self, count, other_than=()):
        def is_there(pod):
            states = [each["state"] for each in pod["status"].get("containerStatuses", [])]
            return ("deletionTimestamp" not in pod["metadata"] and pod["metadata"]["uid"] not in other_than
                    and states and all("running" in state for state in states))
        wait_for(f"{count} Pods run, and no others", lambda: (
            lambda pods: len(pods) == count and all(map(is_there, pods)))(self.pods()), 180)


class Traffic(Requests):
    is_long = True

    def test_by_endpoint_slice(self):
        refused = self.play(baton={**BALANCED, "leaderService": {"by": "endpointslice", "ports": PORTS}})
        self.assertEqual(0, refused, "the Service led nowhere while no Pod went")

    def test_by_label(self):
        """`kubectl get pods -L` tells who leads."""
        self.play(baton={**BALANCED, "leaderService": {"by": "label", "ports": PORTS}})
        table = self.k("get", "pods", "-L", "baton/leader").stdout.splitlines()
        self.timeline += table
        self.assertEqual([self.leading().pod], [line.split()[0] for line in table if line.split()[-1] == "worker"])

    def test_by_readiness(self):
        """The old leader's probe must fail first, and kube-proxy take that in: meanwhile both get requests."""
        self.former_may_answer = True
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "worker"},
                   "spec": {"selector": {"app": "worker"}, "ports": PORTS}}
        self.k("apply", "-f", "-", input=json.dumps(service))
        self.play(baton={**BALANCED, "readiness": "leader"})


class StatefulSet(Requests):
    def test_leader_deleted(self):
        """The Pod that comes back has the old one's name, and none of its traffic."""
        values = {"kind": "StatefulSet", "preStop": RESIGN_FIRST, "baton": {
            **BALANCED, "workload": "StatefulSet", "leaderService": {"by": "endpointslice", "ports": PORTS}}}
        self.install_first(env=SERVES, **values)
        client = self.start_client()
        self.hand_over(client, "deletion", 3, self.delete)
        self.roll_out(client, **values)
        self.assertEqual({f"worker-{i}" for i in range(3)}, {pod["metadata"]["name"] for pod in self.pods()})


class Examples(Requests):
    """examples/ as they are, the worker in place of the stock image."""

    def play_example(self, name, kind, service="worker", manifest=None):
        folder = stage.WORK / self.namespace
        for each in ("examples", "manifests"):
            shutil.copytree(stage.ROOT / each, folder / each)
        container = {"name": "server", "image": "worker:test", "imagePullPolicy": "Never",
                     "command": ["/worker", "work"], "volumeMounts": [{"name": "effects", "mountPath": "/effects"}],
                     "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                             {"name": "RESOURCE", "value": self.namespace},
                             *({"name": name, "value": value} for name, value in SERVES.items())]}
        patch = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": self.app}, "spec": {"template": {"spec": {
            "containers": [container], "volumes": [{"name": "effects", "hostPath": {"path": str(self.folder)}}]}}}}
        (folder / "kustomization.yaml").write_text(json.dumps(
            {"resources": [f"examples/{name}"], "patches": [{"patch": json.dumps(patch)}]}))
        if manifest:
            text = (stage.ROOT / "manifests" / manifest).read_text().replace("default", self.namespace)
            (folder / "traffic.yaml").write_text(text)
            self.addCleanup(stage.kubectl, "delete", "--ignore-not-found", "-f", folder / "traffic.yaml")
            self.k("apply", "-f", folder / "traffic.yaml")
        self.k("apply", "-k", folder)
        client = self.start_client(service)
        self.hand_over(client, "resign", 3, self.resign)


class TrafficExamples(Examples):
    def test_endpointslice(self):
        self.play_example("endpointslice", "Deployment", manifest="traffic.yaml")

    def test_label(self):
        self.play_example("label", "Deployment", manifest="traffic-label.yaml")


class StatefulSetExample(Examples):
    app = election = "statefulset"
    former_may_answer = True  # by readiness

    def test_traffic(self):
        self.play_example("statefulset", "StatefulSet", service="leader")
