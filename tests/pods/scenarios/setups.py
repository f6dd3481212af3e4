"""Unusual set-ups."""
from stage import BALANCED, UNTIL_IT_ENDS, Scenario, wait_for


class HostNetwork(Scenario):
    def test_twice_on_a_node(self):
        """A port is the node's and there but once; with a socket and no port both Pods run."""
        host = {"hostNetwork": True, "env": {**UNTIL_IT_ENDS, "SIDECAR": "/run/baton/baton.sock"}}
        self.install(**host, baton={**BALANCED, "socket": True, "replicas": 2})
        why = wait_for("a Pod finds no place", lambda: [
            each["message"] for pod in self.pods() for each in pod["status"].get("conditions", [])
            if each["type"] == "PodScheduled" and each["status"] == "False"])[0]
        self.assertIn("free ports", why)
        self.note(f"with a port: {why}")
        self.install(**host, baton={**BALANCED, "socket": True, "probePort": 0, "replicas": 2})
        self.rolled_out()
        for _ in range(3):
            old = self.leading()
            self.assertEqual(1, len({each["status"]["podIP"] for each in self.pods()}))
            self.k("delete", "pod", old.pod, "--wait=false")
            self.leading(other_than=[old.pod])
            self.assert_released(self.last_hand_over())
            self.rolled_out()
