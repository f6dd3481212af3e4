"""For effects that no token can fence: the next term begins later (R18), unless the end of the work was proven."""
from pods import on_our_node
from stage import Scenario, wait_for

DURATION_S, LOCK_DELAY_S = 3, 9
SETTINGS = {"profile": "aggressive", "lock-delay": f"{LOCK_DELAY_S}s", "log-level": "debug"}
DRAINED = "/worker say POST '/resign?announce=true' && /bin/busybox sleep 0.3 && " \
          "/worker say POST '/resign?drained=true&wait=8s' 9"


@on_our_node
class LockDelay(Scenario):
    def start(self, **values):
        self.install(shareProcessNamespace=True, baton={"settings": SETTINGS, "appProcess": "worker"}, **values)
        self.rolled_out()
        leader = self.leading()
        marks = self.get("lease", "worker")["metadata"]["annotations"]
        self.assertEqual((str(DURATION_S), str(LOCK_DELAY_S)), (marks["baton/duration"], marks["baton/lock-delay"]))
        return leader

    def assert_waited_out(self, since, new):
        """By the Lease's own times: whoever takes it counts from when it had received that version."""
        self.last_hand_over()
        waited_s = (self.written(new.token)[0].time_ns - since.time_ns) / 1e9
        self.assertLessEqual(DURATION_S + LOCK_DELAY_S, waited_s)
        self.assertEqual("waited out, its lock-delay too (R4, R18)", self.grounds(new.pod, new.token))
        return f"the next term began {waited_s:.1f} s later: {DURATION_S} s and a lock-delay of {LOCK_DELAY_S} s"

    def test_after_a_loss(self):
        """Sidecar and worker are killed: neither can say that the work has ended."""
        old = self.start()
        for container in ("baton", "worker"):
            self.kill(old.pod, container)
        new = self.leading()
        self.assert_not_released(self.last_hand_over())
        self.note("after the last renewal " + self.assert_waited_out(self.written(old.token)[-1], new))

    def test_after_a_release_by_the_clock(self):
        """That the last yes has run out is no proof of effects that no token can fence: no mark."""
        old = self.start()
        self.k("exec", old.pod, "-c", "worker", "--", "/worker", "say", "POST", "/resign")
        released = wait_for("a release", lambda: self.written(old.token, is_held=False))[0]
        new = self.leading()
        self.assertFalse(released.is_released, "with the mark")
        self.note("after a release by the clock alone " + self.assert_waited_out(released, new))

    def test_after_a_proven_end(self):
        """The application said `drained`; then a process that was seen to exit: the next term waits for neither."""
        old = self.start(preStop=["/bin/busybox", "sh", "-c", DRAINED])
        for what, end in (("drained", lambda: self.k("delete", "pod", old.pod, "--wait=false")),
                          ("the process has exited", lambda: self.kill(old.pod, "worker"))):
            end()
            new = self.leading(other_than=[old.pod])
            over = self.last_hand_over()
            self.assert_released(over)
            self.assertEqual("released by its holder (R4)", self.grounds(new.pod, new.token))
            self.note(f"{what}: acquired {over.acquired - over.released:.0f} ms after the release")
            self.rolled_out()
            old = new
