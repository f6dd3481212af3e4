"""The example of the gateway, before a service that checks nothing; the worker writes through it."""
import contextlib
import json
import os
import re
import signal

import yaml

import pods
from pods import ROOT, kubectl, now_ns, on_our_node, wait_for
from stage import Scenario

EXAMPLE = ROOT / "examples/fencing/gateway"
# Works on with its first token, whatever the sidecar says.
CARELESS = {"ASKS": "once", "PACE_MS": "20", "SCOPE": "shop/orders"}


@on_our_node
class Gateway(Scenario):
    is_fenced = True

    def requests(self):
        """What the service took, and what the gateway refused, as the workers heard it."""
        refused = [line for line in self.lines() if line.word == "refused"]
        return sorted(super().requests() + refused, key=lambda line: line.time_ns)

    def install_gateway(self):
        """As its page says, on a volume of the node, with the worker's program for the service; its address."""
        volume = self.folder / "fence"
        pods.make_folder(volume)
        kubectl("create", "-f", "-", input=json.dumps({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": self.namespace}, "spec": {
                "capacity": {"storage": "16Mi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": str(volume)},
                "claimRef": {"namespace": self.namespace, "name": "ledger-fence"}}}))
        self.addCleanup(kubectl, "delete", "persistentvolume", self.namespace, "--wait=false")
        things = list(yaml.safe_load_all(kubectl("kustomize", EXAMPLE).stdout))
        spec = next(each for each in things if each["kind"] == "Deployment")["spec"]["template"]["spec"]
        next(each for each in spec["containers"] if each["name"] == "ledger").update(
            image="worker:test", imagePullPolicy="Never", command=["/worker", "ledger", "8081", "/effects"],
            volumeMounts=[{"name": "effects", "mountPath": "/effects"}])
        spec["volumes"].append({"name": "effects", "hostPath": {"path": str(self.folder)}})
        self.k("apply", "-f", "-", input=yaml.safe_dump_all(things))
        self.initialise("Complete")
        self.rolled_out("deployment/ledger")
        return self.get("service", "ledger")["spec"]["clusterIP"]

    def initialise(self, condition):
        job = "job/ledger-fence-initialise"
        self.k("create", "-f", EXAMPLE / "initialise.yaml")
        self.k("wait", f"--for=condition={condition}", job, "--timeout=120s")
        self.k("delete", job)

    def gateway(self):
        return wait_for("one Pod of the gateway", lambda: [
            pod for pod in self.get("pods", "-l", "app=ledger") if "deletionTimestamp" not in pod["metadata"]])[0]

    def metric(self, name):
        """Of the gateway that runs now."""
        address = self.gateway()["status"]["podIP"]
        page = pods.run("curl", "--silent", "--fail", f"http://{address}:4041/metrics").stdout
        return int(float(re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)[1]))

    @contextlib.contextmanager
    def stopped(self, pod):
        """Its worker and its sidecar, as a node that hangs stops both."""
        processes = [pid for name in ("worker", "baton")
                     for pid in pods.pids_of_container(self.container(pod, name)[0])]
        try:
            for pid in processes:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)

    def assert_refused(self, old, new, what):
        """From now on, by the gateway that runs now."""
        start = now_ns()
        wait_for(f"{old.pod} is refused: {what}", lambda: sum(
            line.word == "refused" and line.token == old.token and line.time_ns > start for line in self.lines()) > 20)
        self.assertEqual(new.token, self.metric('baton_fence_highest_token{scope="shop/orders"}'))
        stale = self.metric('baton_fence_requests_total{result="stale",scope="shop/orders"}')
        self.assertLess(20, stale)
        self.note(f"{what}: the gateway answers 409 to {old.token}, {stale} times so far, since it has seen {new.token}")

    def test_of_a_stale_leader(self):
        """Stopped past its term, it writes on beside its successor, before and after restarts of the gateway."""
        self.install(env={"GATEWAY": self.install_gateway(), **CARELESS}, baton={"replicas": 2})
        self.rolled_out()
        old = self.leading()
        with self.stopped(old.pod):
            new = self.leading(other_than=[old.pod])
        self.assert_refused(old, new, "resumed")

        pod = self.gateway()["metadata"]["name"]
        starts = self.container(pod, "fence")[1]  # it did not stay up before its state was there
        self.kill(pod, "fence")
        wait_for("the gateway's container is started again", lambda: self.container(pod, "fence")[1] > starts)
        self.rolled_out("deployment/ledger")
        self.assert_refused(old, new, "after SIGKILL to the gateway")
        self.k("rollout", "restart", "deployment/ledger")
        self.rolled_out("deployment/ledger")
        self.assertNotEqual(pod, self.gateway()["metadata"]["name"])
        self.assert_refused(old, new, "after a new Pod of the gateway")
        self.initialise("Failed")  # the state is there, and in use

        self.k("delete", "pod", old.pod)
        self.k("delete", "pod", new.pod, "--wait=false")
        self.assertLess(new.token, self.leading(other_than=[new.pod]).token)
