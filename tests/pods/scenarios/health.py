"""The gate on the application's health: its URL is asked once a second, three answers decide."""
import stage
from stage import PATIENT, Scenario

UP = {"HEALTH_PORT": "8080"}
GATED = {"settings": {}, "appHealth": {"port": 8080, "path": "/healthz"}}  # profile balanced


class Health(Scenario):
    def state(self, pod):
        return self.k("exec", pod, "-c", "baton", "--", "/baton", "status", check=False).stdout

    def blocked(self):
        """A Pod, once its sidecar tells everywhere why it is."""
        pod = stage.wait_for("a Pod", self.pods)[0]["metadata"]["name"]
        self.assertIn("the application is unhealthy: http://127.0.0.1:8080/healthz: ", self.why_unready(pod))
        return pod

    def assert_never_led(self, pod):
        self.assertEqual([], [v for v in self.watch.versions if v.holder.startswith(pod)])

    def turn_url(self, pod):
        """Off, or on again."""
        self.k("exec", pod, "-c", "worker", "--", "/bin/busybox", "kill", "-USR1", "1")

    def test_crash_loop(self):
        """Up for 1.5 s at a time: it does not take the Lease that nobody holds; a Pod that works does."""
        one = {**GATED, "replicas": 1}
        self.install(env={**UP, "CRASH_MS": "1500"}, baton=one)
        pod = self.blocked()
        stage.wait_for("it has crashed three times", lambda: self.container(pod, "worker")[1] >= 3, 120)
        self.assert_never_led(pod)
        self.assertEqual(0, self.container(pod, "baton")[1])
        self.install(env=UP, baton=one)
        new = self.leading(other_than=[pod], seconds=120)
        self.assert_never_led(pod)
        self.note(f"{pod[-5:]} came up four times and never led; {new.pod[-5:]} leads")

    def test_image_missing(self):
        """Without its application a Pod does not take the Lease that nobody holds."""
        one = {**GATED, "replicas": 1}
        self.install(env=UP, image="missing:1", baton=one)
        pod = self.blocked()
        stage.time.sleep(20)  # more than the lease duration
        self.assert_never_led(pod)
        self.install(env=UP, baton=one)
        new = self.leading(other_than=[pod], seconds=120)
        self.assert_never_led(pod)
        self.note(f"{pod[-5:]} never led; {new.pod[-5:]} leads")

    def test_silent_leader_that_asks(self):
        """It stops by what it is told; without another proof the last answer's deadline is waited for."""
        self.install(env=UP, baton={**GATED, "replicas": 2})
        self.rolled_out()
        old = self.leading()
        self.turn_url(old.pod)
        silent = stage.now_ns()
        self.leading(other_than=[old.pod])
        over = self.last_hand_over()
        self.assert_released(over)
        last = next(t for t in stage.pods.terms_of(self.lines()) if t.token == old.token).last_ns
        told = self.deadline_ns(old.pod, old.token, last - 1e9)  # it asks every 5 ms
        released = self.written(old.token, is_held=False)[-1].time_ns
        self.assertLess(told, released, "released before the last yes had run out")
        self.assertEqual(0, self.container(old.pod, "worker")[1])
        self.turn_url(old.pod)
        stage.wait_for("it follows once it is up again", lambda: "following" in self.state(old.pod), 30)
        self.note(f"it stopped {(last - silent) / 1e9:.1f} s after its URL fell silent")

    def test_silent_leader_that_works_on(self):
        """The end of its holding connection is the proof, and nothing is released before."""
        self.install(env={**UP, "ASKS": "hold", "WORKS_ON_MS": "4000"}, baton={**GATED, **PATIENT, "replicas": 2})
        self.rolled_out()
        old = self.leading(seconds=120)
        self.turn_url(old.pod)
        self.leading(other_than=[old.pod])
        self.assert_released(self.last_hand_over())
        self.assert_before_the_clock(old)

    def test_end_of_the_pod(self):
        """The worker closes its listener at SIGTERM and works on: its silence must not hasten the release."""
        self.install(env={**UP, "ASKS": "once", "ON_TERM": "7000"}, baton={**GATED, "replicas": 2})
        self.rolled_out()
        old = self.leading()
        told = self.deadline_ns(old.pod, old.token, stage.now_ns())
        stage.wait_for("its one yes has run out: the clock would prove the end at once", lambda: stage.now_ns() > told)
        self.k("delete", "pod", old.pod, "--wait=false")
        self.leading(other_than=[old.pod])
        over = self.last_hand_over()
        self.assert_released(over)
        self.assertLess(over.sigterm, 0)
        self.assertLess(over.ended, over.released)
