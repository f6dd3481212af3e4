"""Pods go, and others take over."""
import re

import yaml

import stage
from pods import ROOT, WORK, on_our_node
from stage import BALANCED, UNTIL_IT_ENDS, UNTIL_KILLED, Scenario


class Rolling(Scenario):
    def test_update_of_3_replicas(self):
        self.install(env=UNTIL_IT_ENDS, baton=BALANCED)
        self.rolled_out()
        self.leading()
        old = {each["metadata"]["name"] for each in self.pods()}
        self.assertEqual(3, len(old))
        self.install(env={**UNTIL_IT_ENDS, "VERSION": "2"}, baton=BALANCED)
        self.rolled_out()
        self.leading(other_than=old)

    def test_scale_3_1_5(self):
        self.install(env=UNTIL_IT_ENDS, baton=BALANCED)
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
        self.install(env={"ON_TERM": "exit"}, baton={**BALANCED, "terminationGracePeriodSeconds": 60})
        self.rolled_out()
        for _ in range(3):
            self.assert_released(self.delete_leader())
            self.rolled_out()

    def test_with_an_ordinary_sidecar(self):
        """Both containers get SIGTERM at once; the end of the holding connection is the proof."""
        self.install(env={"ASKS": "hold", "ON_TERM": "1000", "WORKS_ON_MS": "3000"},
                     baton={**BALANCED, "sidecar": "ordinary"})
        self.rolled_out()
        for _ in range(stage.TIMES):
            self.assert_released(self.delete_leader())
            self.rolled_out()

    def test_with_a_pre_stop_hook(self):
        say = "/worker say POST"
        hook = f"{say} '/resign?announce=true' && busybox sleep 0.3 && {say} '/resign?drained=true&wait=8s' 9"
        for kind in ("native", "ordinary"):
            self.delete_with_hook(env={"ON_TERM": "exit"}, preStop=["/bin/busybox", "sh", "-c", hook.replace(
                "busybox", "/bin/busybox")], baton={**BALANCED, "sidecar": kind})

    @on_our_node
    def test_with_the_pre_stop_hooks_of_the_page(self):
        """docs/image.md's, to the letter. They say that the work has ended: here it is done in an instant
        every 5 s, and the Pod is deleted right after one."""
        page = (ROOT / "docs/image.md").read_text()
        pod = yaml.safe_load(re.search("```yaml\n(.*?)```", page, re.DOTALL)[1])
        [install], [main] = pod["initContainers"], pod["containers"]
        install["image"] = f"{stage.image['repository']}:{stage.image['tag']}"
        by_binary = {"inits": [install], "mounts": main["volumeMounts"], "volumes": pod["volumes"],
                     "preStop": main["lifecycle"]["preStop"]["exec"]["command"]}
        lines = re.findall("^(?:curl|wget) .*$", page, re.MULTILINE)
        self.assertEqual(2, len(lines))
        # Beside curl's, the libraries that the copied program needs where it is not the static one.
        program = [f"{stage.BATON}=/baton"] if stage.image["tag"] == "packed" else []
        stage.pack("hooks:test", "--program", "/usr/bin/curl", *program, f"{WORK}/worker=/worker",
                   "/bin/busybox", "/bin/sh@busybox", "/bin/wget@busybox", "--", "/worker")
        for hook in (by_binary, *({"preStop": ["/bin/sh", "-c", line]} for line in lines)):
            self.note(" ".join(hook["preStop"]))
            over = self.delete_with_hook(image="hooks:test", env={"PACE_MS": "5000"}, baton=BALANCED, **hook)
            self.note(str(over))

    def delete_with_hook(self, **values):
        """It has released before the main container gets SIGTERM."""
        gone = {each["metadata"]["name"] for each in self.pods()}
        self.install(**values)
        self.rolled_out()
        self.leading(other_than=gone)
        self.delete_leader()
        stage.wait_for("SIGTERM", lambda: self.last_hand_over().sigterm)
        over = self.last_hand_over()
        self.assert_released(over)
        self.assertLess(over.released, over.sigterm)
        return over

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

    def test_by_eviction(self):
        """A PodDisruptionBudget lets one go at a time: the second may not, while a quota lets no Pod follow the first."""
        self.install(env=UNTIL_IT_ENDS, baton=BALANCED)
        self.rolled_out()
        old = self.leading()
        self.k("create", "poddisruptionbudget", "worker", "--selector=app=worker", "--max-unavailable=1")
        self.k("create", "quota", "worker", "--hard=pods=2")
        stage.wait_for("the budget is reckoned", lambda: self.get("pdb", "worker")["status"].get("disruptionsAllowed"))
        stage.wait_for("the quota is reckoned", lambda: self.get("quota", "worker")["status"].get("used"))

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
