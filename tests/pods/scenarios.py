"""What happens to Pods, one named test each. ASKS=once lets the worker work until its process ends,
whatever the sidecar says: then the order of things is the kubelet's and the sidecar's work alone."""
import stage
from pods import WORK, helm, kubectl
from stage import Scenario

UNTIL_IT_ENDS = {"ASKS": "once", "ON_TERM": "1500"}
# Works until it is killed, and has promised that its holding connection ends no sooner.
UNTIL_KILLED = {"ASKS": "hold", "WORKS_ON_MS": "3600000", "ON_TERM": "ignore"}
BALANCED = {"settings": {}}


class Rolling(Scenario):
    def test_update_of_3_replicas(self):
        self.install(env=UNTIL_IT_ENDS, baton=BALANCED)
        self.rolled_out()
        self.leading()
        self.install(env={**UNTIL_IT_ENDS, "VERSION": "2"}, baton=BALANCED)
        self.rolled_out()
        old = {line.pod for line in self.lines() if line.word == "term"}
        self.assertEqual(3, len(old))
        self.leading(other_than=old)

    def test_scale_3_1_5(self):
        self.install(env=UNTIL_IT_ENDS)
        self.rolled_out()
        self.leading()
        for count in (1, 5):
            self.k("scale", "deployment/worker", f"--replicas={count}")
            self.rolled_out()
            stage.wait_for(f"{count} Pods are left", lambda: len(self.pods()) == count)
            self.leading()


class Deletion(Scenario):
    def delete_leader(self, *words):
        old = self.leading()
        self.k("delete", "pod", old.pod, "--wait=false", *words)
        self.leading(other_than=[old.pod])
        return self.last_hand_over()

    def test_of_the_leader(self):
        """A native sidecar releases once the main container has exited."""
        self.install(env=UNTIL_IT_ENDS, baton=BALANCED)
        self.rolled_out()
        for _ in range(stage.TIMES):
            self.assert_released(self.delete_leader())
            self.rolled_out()

    def test_of_a_leader_that_exits_at_once(self):
        """SIGTERM in the second of the deletion proves nothing: the last answer's deadline does."""
        self.install(env={"ON_TERM": "exit"}, baton=BALANCED)
        self.rolled_out()
        for _ in range(3):
            self.assert_released(self.delete_leader())
            self.rolled_out()

    def test_with_an_ordinary_sidecar(self):
        """Both containers get SIGTERM at once; the end of the holding connection is the proof."""
        self.install(env={"ASKS": "hold", "ON_TERM": "1000", "WORKS_ON_MS": "3000"},
                     baton={**BALANCED, "sidecar": "ordinary"})
        self.rolled_out()
        for _ in range(3):
            self.assert_released(self.delete_leader())
            self.rolled_out()

    def test_with_a_pre_stop_hook(self):
        say = "/worker say POST"
        hook = f"{say} '/resign?announce=true' && busybox sleep 0.3 && {say} '/resign?drained=true&wait=8s' 9"
        for kind in ("native", "ordinary"):
            self.install(env={"ON_TERM": "exit"}, preStop=["/bin/busybox", "sh", "-c", hook.replace(
                "busybox", "/bin/busybox")], baton={**BALANCED, "sidecar": kind})
            self.rolled_out()
            self.assert_released(self.delete_leader())

    def test_of_10_whose_workers_ignore_sigterm(self):
        """The kubelet kills them when their grace period is over; no sidecar may release before."""
        self.install(env=UNTIL_KILLED, baton={**BALANCED, "replicas": 10, "terminationGracePeriodSeconds": 3})
        self.rolled_out()
        self.leading()
        gone = {each["metadata"]["name"] for each in self.pods()}
        self.k("delete", "pods", "-l", "app=worker", "--wait=false")
        self.leading(other_than=gone, seconds=120)
        self.assert_not_released_early(self.last_hand_over())

    def test_by_force(self):
        """The sidecar gets SIGTERM a second before the worker is killed, and its token still works."""
        self.install(env=UNTIL_KILLED, baton=BALANCED)
        self.rolled_out()
        for _ in range(3):
            self.assert_not_released_early(self.delete_leader("--force", "--grace-period=0"))
            self.rolled_out()

    def test_with_a_grace_period_of_1(self):
        self.install(env=UNTIL_KILLED, baton=BALANCED)
        self.rolled_out()
        for _ in range(3):
            self.assert_not_released_early(self.delete_leader("--grace-period=1"))
            self.rolled_out()


class Sidecar(Scenario):
    def kill_sidecar(self, pod):
        container, restarts, _ = self.container(pod, "baton")
        stage.os.kill(stage.pods.pids_of_container(container)[0], 9)
        return restarts

    def test_killed(self):
        """The restarted container takes over from its own Pod's earlier one, at once (R19)."""
        self.install(baton=BALANCED)
        self.rolled_out()
        old = self.leading()
        for what in ("first", "second"):
            before = self.leading()
            self.kill_sidecar(old.pod)
            after = stage.wait_for("a new term acts", lambda: (
                lambda term: term.token > before.token and term)(self.leading()), 90)
            over = self.last_hand_over()
            self.note(f"{what} kill: {over.gap:.0f} ms without effect, then {after.pod[-5:]} leads")
            self.assertEqual(0, self.container(old.pod, "worker")[1])
            if what == "first":
                self.assertEqual(old.pod, after.pod)

    def test_image_changed_alone(self):
        """Only the sidecar is replaced: it must not release while the worker works on."""
        self.install(env={"ASKS": "once", "ON_TERM": "1500"}, baton={**BALANCED, "replicas": 2})
        self.rolled_out()
        old = self.leading()
        other = f"{stage.image['repository']}:other"
        self.patch(f"pod/{old.pod}", {"spec": {"initContainers": [{"name": "baton", "image": other}]}})
        stage.wait_for("the sidecar runs the other image", lambda: self.container(old.pod, "baton")[1], 60)
        held = stage.wait_for("the restarted sidecar leads", lambda: [
            v for v in self.watch.versions if v.holder.startswith(old.pod) and v.token > old.token], 60)[0]
        released = [v for v in self.watch.versions if v.is_released and v.token >= old.token]
        self.assertEqual([], released)
        self.assertEqual(0, self.container(old.pod, "worker")[1])
        self.note(f"same Pod leads again with {held.token}; never released; the worker was not restarted")

    def test_killed_during_termination(self):
        """The main container works on without an elector: the Lease expires by itself."""
        self.install(env={"ON_TERM": "ignore"}, baton={**BALANCED, "terminationGracePeriodSeconds": 6})
        self.rolled_out()
        old = self.leading()
        self.k("delete", "pod", old.pod, "--wait=false")
        stage.wait_for("SIGTERM", lambda: any(x.word == "term" for x in self.lines()))
        self.kill_sidecar(old.pod)
        self.leading(other_than=[old.pod])
        self.assert_not_released(self.last_hand_over())

    def test_second_in_one_pod(self):
        """It refuses to start and names the first; the first leads on."""
        second = {"name": "second", "image": f"{stage.image['repository']}:{stage.image['tag']}",
                  "args": ["run"], "restartPolicy": "Always",
                  "env": [{"name": "BATON_ELECTION", "value": "worker"},
                          {"name": "BATON_LOCAL_ADDRESS", "value": "127.0.0.1:5040"},
                          {"name": "BATON_PROBE_ADDRESS", "value": ":5041"}],
                  "volumeMounts": [{"name": "baton-token", "readOnly": True,
                                    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]}
        self.install(inits=[second], baton={**BALANCED, "replicas": 1})
        first = self.leading()
        ended = stage.wait_for("the second ends", lambda: (
            lambda status: status.get("state", {}).get("terminated")
            or status.get("lastState", {}).get("terminated"))(self.container(first.pod, "second")[2]))
        said = stage.wait_for("it says why", lambda: "".join(
            self.k("logs", first.pod, "-c", "second", *words, check=False).stdout for words in ([], ["--previous"])))
        self.assertEqual(2, ended["exitCode"], said)
        self.assertIn("one Pod runs one sidecar for an election", said)
        self.note(said.strip().splitlines()[-1])
        self.assertEqual(first.token, self.leading().token)


class Main(Scenario):
    def test_job_completes(self):
        """No Pod is deleted there: the end of the holding connection is the proof."""
        self.install(kind="Job", baton={**BALANCED, "replicas": 1}, env={"ASKS": "hold", "FOR_MS": "3000"})
        self.leading()
        self.k("wait", "--for=condition=Complete", "job/worker", "--timeout=60s")
        done = stage.now_ns()
        self.assertEqual("Succeeded", self.pods()[0]["status"]["phase"])
        released = stage.wait_for("a release", lambda: [v for v in self.watch.versions if v.is_released], 10)[0]
        last = stage.pods.terms_of(self.lines())[-1].last_ns
        self.assertLess(last, released.time_ns)
        self.note(f"released {(released.time_ns - last) / 1e6:.0f} ms after its last effect, "
                  f"{(done - released.time_ns) / 1e6:.0f} ms before Complete")

    def test_image_missing(self):
        """A leader whose worker never says that it is ready gives way (warm-up-limit)."""
        settings = {"settings": {"warm-up-limit": "3s"}, "replicas": 1}
        self.install(baton=settings, image="missing:1", env={"SAYS_READY": "1"})
        idle = stage.wait_for("a Pod without a worker holds the Lease", lambda: [
            v.holder for v in self.watch.versions if v.holder])[0].rsplit("_", 2)[0]
        self.patch("deployment/worker", {"spec": {"replicas": 2, "strategy": {
            "type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}}})
        self.install(baton={**settings, "replicas": 2, "strategy": {"rollingUpdate": {"maxUnavailable": 0}}},
                     env={"SAYS_READY": "1"})
        new = self.leading(seconds=90)
        self.assertNotEqual(idle, new.pod)
        self.note(f"{idle[-5:]} never had its worker and gave way to {new.pod[-5:]}")


class Node(Scenario):
    def test_eviction(self):
        """A PodDisruptionBudget lets one go at a time."""
        self.install(env=UNTIL_IT_ENDS, baton=BALANCED)
        self.rolled_out()
        old = self.leading()
        self.k("create", "poddisruptionbudget", "worker", "--selector=app=worker", "--max-unavailable=1")
        stage.wait_for("the budget is reckoned", lambda: self.get("pdb", "worker")["status"].get("disruptionsAllowed"))

        def evict(pod):
            body = {"apiVersion": "policy/v1", "kind": "Eviction",
                    "metadata": {"name": pod, "namespace": self.namespace}}
            return self.k("create", "--raw", f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction",
                          "-f", "-", input=stage.json.dumps(body), check=False)
        other = next(p["metadata"]["name"] for p in self.pods() if p["metadata"]["name"] != old.pod)
        self.assertEqual(0, evict(old.pod).returncode)
        self.assertIn("disruption budget", evict(other).stderr)
        self.leading(other_than=[old.pod])
        self.assert_released(self.last_hand_over())

    def test_drain(self):
        self.install(env=UNTIL_IT_ENDS, baton=BALANCED)
        self.rolled_out()
        old = self.leading()
        gone = {each["metadata"]["name"] for each in self.pods()}
        self.addCleanup(kubectl, "uncordon", "node0")
        kubectl("drain", "node0", "--pod-selector=app=worker", "--delete-emptydir-data", "--timeout=60s")
        kubectl("uncordon", "node0")
        self.leading(other_than=gone)
        self.assertLess(old.token, self.leading().token)

    def cut_off_leader(self):
        """From the API server alone, until another leads."""
        old = self.leading()
        address = self.get("pod", old.pod)["status"]["podIP"]
        rule = ["INPUT", "-s", address, "-p", "tcp", "--dport", "6443", "-j", "DROP"]
        stage.pods.run("iptables", "-I", *rule)
        try:
            self.leading(other_than=[old.pod])
        finally:
            stage.pods.run("iptables", "-D", *rule)
        self.k("wait", "--for=condition=Ready", f"pod/{old.pod}", "--timeout=60s")
        return self.last_hand_over()

    def test_partition(self):
        """The leader stops by its own deadline."""
        self.install(baton=BALANCED)
        self.rolled_out()
        self.assert_not_released(self.cut_off_leader())

    def test_partition_of_a_worker_that_breaks_its_word(self):
        """It asked once, and works on after its deadline: only the store stops it."""
        self.is_fenced = True
        self.install(env={"ASKS": "once", "ON_TERM": "exit"}, baton=BALANCED)
        self.rolled_out()
        self.cut_off_leader()
        refused = sum(line.word == "refused" for line in self.lines())
        self.assertLess(0, refused)
        self.note(f"the store refused {refused} effects")

    def test_api_server_restarted(self):
        """An outage shorter than the term costs no leadership."""
        self.install(baton=BALANCED)
        self.rolled_out()
        old = self.leading()
        stage.pods.node("restart", "kube-apiserver")
        stage.wait_for("the API server is back", lambda: kubectl("get", "--raw", "/readyz", check=False).stdout == "ok")
        self.note(f"back after {(stage.now_ns() - old.last_ns) / 1e9:.1f} s")
        stage.time.sleep(15)
        self.assertEqual(old.token, self.leading().token)

    def test_kubelet_stopped(self):
        """Nobody tells the Pod that it is deleted: it leads on until its token is refused."""
        self.install(baton=BALANCED)
        self.rolled_out()
        old = self.leading()
        stage.pods.signal_component("kubelet", stage.pods.signal.SIGSTOP)
        try:
            deleted = stage.now_ns()
            self.k("delete", "pod", old.pod, "--wait=false")
            self.leading(other_than=[old.pod], seconds=150)
        finally:
            stage.pods.signal_component("kubelet", stage.pods.signal.SIGCONT)
        last = next(t for t in stage.pods.terms_of(self.lines()) if t.token == old.token).last_ns
        self.note(f"it acted until {(last - deleted) / 1e9:.1f} s after its deletion")


class Helm(Scenario):
    def test_uninstall_and_install_again(self):
        """The Lease stays with its token; the rights go before the Pods, so that it is held."""
        self.install(env=UNTIL_IT_ENDS, baton=BALANCED)
        self.rolled_out()
        old = self.leading()
        helm("uninstall", "worker", "--namespace", self.namespace, "--wait")
        lease = self.get("lease", "worker")
        self.assertEqual(str(old.token), lease["metadata"]["annotations"]["baton/fencing-token"])
        self.note("uninstalled; the Lease is " + ("held" if lease["spec"]["holderIdentity"] else "released"))
        self.install(env=UNTIL_IT_ENDS, baton=BALANCED)
        self.assertLess(old.token, self.leading(other_than=[old.pod]).token)

    def test_missing_rights(self):
        """The Pod stays up, not Ready, says why, and recovers when the Role appears."""
        self.install(baton={**BALANCED, "replicas": 1})
        self.leading()
        self.k("delete", "rolebinding", "baton-lease-worker")
        self.k("rollout", "restart", "deployment/worker")
        pod = stage.wait_for("a new Pod runs", lambda: [
            p["metadata"]["name"] for p in self.pods()
            if any(c.get("started") and not c["ready"] for c in p["status"].get("initContainerStatuses", []))])[0]
        why = stage.wait_for("a reason", lambda: (lambda text: "orbidden" in text and text)(
            self.k("exec", pod, "-c", "baton", "--", "/baton", "status", check=False).stdout))
        self.note(" ".join(why.split())[:200])
        self.install(baton={**BALANCED, "replicas": 1})
        self.rolled_out()
        self.leading()


class Policies(Scenario):
    def test_injection_and_guard(self):
        """An unmodified Deployment gets the sidecar by an annotation; hands cannot lower the token."""
        kubectl("label", "namespace", self.namespace, "baton/injection=enabled")
        self.addCleanup(helm, "uninstall", "policies", "--namespace", self.namespace)
        self.install("policies", WORK / "charts/baton", **{"guard.enabled": True, "injection.enabled": True})
        self.install("election", WORK / "charts/baton", baton={"election": "worker"})
        deployment = {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "worker"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "worker"}}, "template": {
                "metadata": {"labels": {"app": "worker"}, "annotations": {"baton/election": "worker"}},
                "spec": {"serviceAccountName": "worker", "automountServiceAccountToken": False, "containers": [{
                    "name": "worker", "image": "worker:test", "imagePullPolicy": "Never",
                    "command": ["/worker", "work"], "env": [
                        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                        {"name": "ON_TERM", "value": "1500"}],
                    "volumeMounts": [{"name": "effects", "mountPath": "/effects"}]}],
                    "volumes": [{"name": "effects", "hostPath": {"path": str(self.folder)}}]}}}}
        stage.time.sleep(5)  # a policy acts some seconds after it was made
        self.k("apply", "-f", "-", input=stage.json.dumps(deployment))
        self.rolled_out()
        old = self.leading()
        self.assertEqual(["baton"], [c["name"] for c in self.get("pod", old.pod)["spec"]["initContainers"]])
        for patch in ({"metadata": {"annotations": {"baton/fencing-token": "1"}}},
                      {"spec": {"holderIdentity": "by-hand"}}):
            refused = self.k("patch", "lease/worker", "--type=merge", "--patch", stage.json.dumps(patch), check=False)
            self.assertIn("baton-token-guard", refused.stderr)
        self.note(refused.stderr.strip()[:230])
        self.assertIn("baton-deletion-guard", self.k("delete", "lease/worker", check=False).stderr)
        self.k("delete", "pod", old.pod, "--wait=false")
        self.leading(other_than=[old.pod])
        self.assert_released(self.last_hand_over())
