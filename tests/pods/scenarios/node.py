"""The node, its network and its API server."""
import stage
from pods import kubectl, on_our_node
from stage import BALANCED, PATIENT, UNTIL_IT_ENDS, Scenario


@on_our_node
class Network(Scenario):
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


@on_our_node
class Node(Scenario):
    is_alone = True

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

    def test_api_server_restarted(self):
        """An outage shorter than the term costs no leadership."""
        self.install(baton=PATIENT)
        self.rolled_out()
        old = self.leading(seconds=120)
        stage.pods.node("restart", "kube-apiserver")
        stage.wait_for("the API server is back", lambda: kubectl("get", "--raw", "/readyz", check=False).stdout == "ok")
        self.note(f"back after {(stage.now_ns() - old.last_ns) / 1e9:.1f} s")
        renewals = len(self.log(old.pod, "extended"))
        stage.wait_for("it renews again", lambda: len(self.log(old.pod, "extended")) > renewals)
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
            over = self.last_hand_over()
        finally:
            stage.pods.signal_component("kubelet", stage.pods.signal.SIGCONT)
        self.assertEqual((None, None), (over.sigterm, over.ended), "the kubelet was not stopped")
        self.assert_not_released(over)
        self.assertLess(0, over.acquired)
        self.assertLess(over.acquired, over.gap)
        last = next(t for t in stage.pods.terms_of(self.lines()) if t.token == old.token).last_ns
        self.assertLess(deleted, last)
        self.note(f"it acted until {(last - deleted) / 1e9:.1f} s after its deletion")
