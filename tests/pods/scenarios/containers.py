"""One of the containers goes, or never comes."""
import stage
from pods import on_our_node
from stage import BALANCED, PATIENT, Scenario


LEASE_NS = 45e9  # the patient's


class Sidecar(Scenario):
    @on_our_node
    def test_killed(self):
        """The restarted container takes over from its own Pod's earlier one, at once (R19)."""
        self.install(baton=PATIENT)
        self.rolled_out()
        old = self.leading(seconds=120)
        for what in ("first", "second"):
            before = self.leading()
            self.kill(old.pod, "baton")
            after = stage.wait_for("a new term acts", lambda: (
                lambda term: term.token > before.token and term)(self.leading()), 90)
            over = self.last_hand_over()
            self.note(f"{what} kill: {over.gap:.0f} ms without effect, then {after.pod[-5:]} leads")
            self.assert_not_released(over)
            self.assertLess(over.acquired, over.gap)
            self.assertEqual(0, self.container(old.pod, "worker")[1])
            if old.pod != after.pod:  # then the kubelet was not back before the Lease had run out
                started = self.log(old.pod, "started")[0]["boottime_ns"]
                self.assertLess(self.written(before.token)[-1].time_ns + LEASE_NS, started)

    @on_our_node
    def test_image_changed_alone(self):
        """Only the sidecar is replaced: it must not release while the worker works on."""
        self.install(env={"ASKS": "once", "ON_TERM": "1500"}, baton={**PATIENT, "replicas": 2})
        self.rolled_out()
        old = self.leading(seconds=120)
        other = f"{stage.image['repository']}:other"
        self.patch(f"pod/{old.pod}", {"spec": {"initContainers": [{"name": "baton", "image": other}]}})
        stage.wait_for("the sidecar runs the other image", lambda: self.container(old.pod, "baton")[1], 60)
        held = stage.wait_for("the restarted sidecar leads", lambda: [
            v for v in self.watch.versions if v.holder.startswith(old.pod) and v.token > old.token], 60)[0]
        released = [v for v in self.watch.versions if v.is_released and v.token >= old.token]
        self.assertEqual([], released)
        self.assertEqual(0, self.container(old.pod, "worker")[1])
        self.note(f"same Pod leads again with {held.token}; never released; the worker was not restarted")

    @on_our_node
    def test_killed_during_termination(self):
        """The main container works on without an elector: the Lease expires by itself."""
        self.install(env={"ON_TERM": "ignore"}, baton=BALANCED)
        self.rolled_out()
        old = self.leading()
        self.k("delete", "pod", old.pod, "--wait=false")
        stage.wait_for("SIGTERM", lambda: any(x.word == "term" for x in self.lines()))
        self.kill(old.pod, "baton")
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
        self.note(next(line for line in said.splitlines() if "one Pod runs" in line))
        self.assertEqual(first.token, self.leading().token)


class Main(Scenario):
    @on_our_node
    def test_process_killed(self):
        """In a shared process namespace the kernel tells the sidecar (app-process), which releases at once."""
        patient = {**PATIENT, "appProcess": "worker"}
        self.install(baton={**patient, "replicas": 1})
        unseen = stage.wait_for("a Pod", self.pods)[0]["metadata"]["name"]
        self.assertIn("set shareProcessNamespace: true in the Pod", self.why_unready(unseen))
        [note] = [line for line in self.check(unseen).splitlines() if "app-process" in line]
        self.assertTrue(note.startswith("note app-process is worker, and the Pod's containers do not share"), note)
        self.install(shareProcessNamespace=True, baton=patient)
        self.rolled_out()
        for _ in range(3):
            old = self.leading(seconds=120)
            self.assertNotIn("app-process", self.check(old.pod))
            self.kill(old.pod, "worker")
            self.leading(other_than=[old.pod])
            over = self.last_hand_over()
            self.assert_released(over)
            self.assertIsNone(over.sigterm)
            self.assert_before_the_clock(old)
            self.rolled_out()

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
