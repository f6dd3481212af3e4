"""Charts, policies, and the page that a newcomer follows."""
import unittest

import stage
from pods import ENVIRONMENT, ROOT, WORK, helm, kubectl, on_our_node
from stage import BALANCED, UNTIL_IT_ENDS, Scenario


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
        self.k("scale", "deployment/worker", "--replicas=0")
        stage.wait_for("no Pod is left", lambda: not self.pods())
        helm("uninstall", "worker", "--namespace", self.namespace, "--wait")
        self.assertEqual("", self.get("lease", "worker")["spec"]["holderIdentity"])
        self.note("scaled to none before: the Lease is released")

    @on_our_node
    def test_missing_rights(self):
        """The Pod stays up, not Ready, says why, and recovers when the Role appears."""
        self.install(baton={**BALANCED, "replicas": 1})
        self.leading()
        self.k("delete", "rolebinding", "baton-lease-worker")
        self.k("rollout", "restart", "deployment/worker")
        pod = stage.wait_for("a new Pod runs", lambda: [
            p["metadata"]["name"] for p in self.pods()
            if any(c.get("started") and not c["ready"] for c in p["status"].get("initContainerStatuses", []))])[0]
        self.assertIn("forbidden", self.why_unready(pod))
        stage.wait_for("an Event on the Pod", lambda: [
            each for each in self.get("events", f"--field-selector=involvedObject.name={pod},type=Warning")
            if "blocked: reading the Lease is refused" in each["message"]])
        self.install(baton={**BALANCED, "replicas": 1})
        self.rolled_out()
        self.leading()


@on_our_node
class Policies(Scenario):
    is_alone = True  # they are the cluster's

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
                        {"name": "RESOURCE", "value": self.namespace}, {"name": "ON_TERM", "value": "1500"}],
                    "volumeMounts": [{"name": "effects", "mountPath": "/effects"}]}],
                    "volumes": [{"name": "effects", "hostPath": {"path": str(self.folder)}}]}}}}
        self.await_injection("worker")
        self.k("apply", "-f", "-", input=stage.json.dumps(deployment))
        self.rolled_out()
        old = self.leading()
        self.assertEqual(["baton"], [c["name"] for c in self.get("pod", old.pod)["spec"]["initContainers"]])
        for patch in ({"metadata": {"annotations": {"baton/fencing-token": "1"}}},
                      {"spec": {"holderIdentity": "by-hand"}}):
            words = ["patch", "lease/worker", "--type=merge", "--patch", stage.json.dumps(patch)]
            stage.wait_for("the guard acts", lambda: self.k(*words, "--dry-run=server", check=False).returncode)
            refused = self.k(*words, check=False)
            self.assertIn("baton-token-guard", refused.stderr)
        self.note(refused.stderr.strip()[:230])
        self.assertIn("baton-deletion-guard", self.k("delete", "lease/worker", check=False).stderr)
        self.k("delete", "pod", old.pod, "--wait=false")
        self.leading(other_than=[old.pod])
        self.assert_released(self.last_hand_over())
        self.inject_into_a_strict_namespace()

    def inject_into_a_strict_namespace(self):
        """Pod Security restricted, a quota, a LimitRange, no token, and an init container of its own."""
        name = f"{self.namespace}-strict"
        limits = {"cpu": "100m", "memory": "64Mi"}
        restricted = {"runAsNonRoot": True, "runAsUser": 1000, "allowPrivilegeEscalation": False,
                      "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}
        own = {"image": "worker:test", "imagePullPolicy": "Never", "securityContext": restricted}
        things = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {
                "baton/injection": "enabled", "pod-security.kubernetes.io/enforce": "restricted"}}},
            {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "all"}, "spec": {
                "hard": {"pods": "1", "requests.cpu": "1", "limits.cpu": "1", "limits.memory": "1Gi"}}},
            {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "all"}, "spec": {"limits": [
                {"type": "Container", "default": limits, "defaultRequest": limits, "max": limits}]}}]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {
            "name": "strict", "annotations": {"baton/election": "worker"}}, "spec": {
                "serviceAccountName": "worker", "automountServiceAccountToken": False,
                "initContainers": [{**own, "name": "migrate", "command": ["/bin/sh", "-c", "exit 0"]}],
                "containers": [{**own, "name": "worker", "command": ["/bin/sh", "-c", "exec /bin/busybox sleep 600"]}]}}
        self.addCleanup(kubectl, "delete", "namespace", name, "--wait=false")
        self.create(name, *things)
        helm("install", "election", WORK / "charts/baton", "--namespace", name, "--set", "baton.election=worker")
        self.create(name, pod)
        kubectl("--namespace", name, "wait", "--for=condition=Ready", "pod/strict", "--timeout=60s")
        holder = stage.wait_for("it leads", lambda: kubectl(
            "--namespace", name, "get", "lease", "worker", "-o", "jsonpath={.spec.holderIdentity}").stdout)
        self.assertTrue(holder.startswith("strict_"), holder)
        self.note(f"in a strict namespace: {holder}")

    def create(self, namespace, *things):
        kubectl("create", "--namespace", namespace, "-f", "-",
                input="\n---\n".join(stage.json.dumps(each) for each in things))


@on_our_node
class Page(unittest.TestCase):
    is_alone = is_long = False

    def test_getting_started(self):
        self.addCleanup(kubectl, "delete", "namespace", "shop", "--wait=false", check=False)
        done = stage.pods.run(ROOT / "tests/examples/getting_started", check=False, env=ENVIRONMENT)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.timeline = done.stdout.splitlines()[-1:]
