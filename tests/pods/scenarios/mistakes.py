"""What people get wrong: each answered by one line that says what to do."""
import json
import re
from pathlib import Path

import stage
from pods import WORK, helm, kubectl, on_our_node
from stage import BALANCED, Scenario, wait_for

AT = "/var/run/secrets/kubernetes.io/serviceaccount"
CA = {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
TOKEN = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}


def reads_to_the_end(text):
    return " ".join(text.split())


class Pod(Scenario):
    """A hand-written Pod with nothing but the sidecar, which never comes to lead."""

    def tearDown(self):
        pass

    def start(self, *sources, image=None):
        image = image or f"{stage.image['repository']}:{stage.image['tag']}"
        mounts = [{"name": "mounted", "mountPath": AT}] if sources else []
        volumes = [{"name": "mounted", "projected": {"sources": list(sources)}}] if sources else []
        self.k("create", "-f", "-", input=json.dumps({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": {
                "automountServiceAccountToken": False, "restartPolicy": "Never", "volumes": volumes,
                "containers": [{"name": "baton", "image": image, "imagePullPolicy": "IfNotPresent", "volumeMounts": mounts,
                                "env": [{"name": "BATON_ELECTION", "value": "worker"}]}]}}))

    def ended(self):
        """(exit code, what it said)"""
        end = wait_for("the Pod ends", lambda: self.container("pod", "baton")[2].get("state", {}).get("terminated"))
        said = self.k("logs", "pod").stdout
        self.note(reads_to_the_end(said or end.get("message", "")))
        return end["exitCode"], said

    def test_missing_token_mount(self):
        self.start()
        self.assertEqual((2, f"baton: in-cluster: no service account token at {AT}/token; set "
                          "automountServiceAccountToken: true on the Pod, or mount a projected token there\n"),
                         self.ended())

    def test_missing_namespace(self):
        """The file may be missing where the token says it; where nothing does, nothing is guessed."""
        self.start(TOKEN, CA)
        said = wait_for("it starts", lambda: self.k("logs", "pod", check=False).stdout)
        self.assertIn(f'"namespace":"{self.namespace}"', said)
        self.k("delete", "pod", "pod", "--now")
        self.k("create", "configmap", "opaque", "--from-literal=token=opaque")
        self.start({"configMap": {"name": "opaque"}}, CA)
        self.assertEqual((2, "baton: no namespace: the service account's volume holds no file 'namespace' and its "
                          "token names none; mount that file, or set namespace\n"), self.ended())

    @on_our_node
    def test_wrong_image_architecture(self):
        """Nothing of ours can run there: the kernel refuses, and the runtime's words are the line."""
        program = bytearray(Path("/bin/busybox").read_bytes())
        program[18:20] = (183).to_bytes(2, "little")  # e_machine: AArch64
        foreign = WORK / "foreign"
        foreign.write_bytes(program)
        foreign.chmod(0o755)
        stage.pack("foreign:test", f"{foreign}=/baton", "--", "/baton")
        self.start(image="foreign:test")
        code, said = self.ended()
        self.assertNotEqual(0, code)
        self.assertIn("exec format error", said + str(self.container("pod", "baton")[2]))


@on_our_node
class Rights(Scenario):
    is_alone = True  # the injection's policy is the cluster's

    def test_injected_without_a_binding(self):
        """The 403 and `baton check` name the ServiceAccount; the Pod recovers once it is bound."""
        kubectl("label", "namespace", self.namespace, "baton/injection=enabled")
        self.addCleanup(helm, "uninstall", "policies", "--namespace", self.namespace)
        self.install("policies", WORK / "charts/baton", **{"injection.enabled": True})
        self.install("election", WORK / "charts/baton", baton={"election": "worker"})
        self.k("create", "serviceaccount", "unbound")
        # The right to write Events is there, that to the Lease is what was forgotten.
        account = f"--serviceaccount={self.namespace}:unbound"
        self.k("create", "rolebinding", "extras", "--role=baton-extras-worker", account)
        self.await_injection("unbound")
        self.k("create", "-f", "-", input=json.dumps({
            "apiVersion": "v1", "kind": "Pod", "metadata": {
                "name": "injected", "labels": {"app": "worker"}, "annotations": {"baton/election": "worker"}},
            "spec": {"serviceAccountName": "unbound", "automountServiceAccountToken": False, "containers": [{
                "name": "worker", "image": "worker:test", "imagePullPolicy": "Never", "command": ["/worker", "work"],
                "env": [{"name": "POD", "value": "injected"}, {"name": "RESOURCE", "value": self.namespace}],
                "volumeMounts": [{"name": "effects", "mountPath": "/effects"}]}],
                "volumes": [{"name": "effects", "hostPath": {"path": str(self.folder)}}]}}))
        account = f"system:serviceaccount:{self.namespace}:unbound"
        self.assertIn(account, self.why_unready("injected"))
        warning = wait_for("an Event on the Pod", lambda: [
            e["message"] for e in self.get("events", "--field-selector=involvedObject.name=injected,type=Warning")
            if e["source"].get("component") == "baton"])[0]
        self.assertIn(account, warning)
        self.assertIn("bind the Role 'lease'", warning)
        self.note(f"Event: {warning}")
        check = self.k("exec", "injected", "-c", "baton", "--", "/baton", "check", check=False)
        self.assertIn("exit code 1", check.stderr)
        [line] = re.findall("^FAIL right to update leases worker: (.*)$", check.stdout, re.MULTILINE)
        self.assertTrue(line.endswith("and bind it to the ServiceAccount unbound"), line)
        self.note(f"check: FAIL right to update leases worker: {line}")
        self.k("create", "rolebinding", "lease", "--role=baton-lease-worker",
               f"--serviceaccount={self.namespace}:unbound")
        self.leading()
        self.k("wait", "--for=condition=Ready", "pod/injected", "--timeout=60s")


class Strategy(Scenario):
    def test_check_warns_and_never_fails(self):
        """Of a grace period within the renew deadline, and of a roll-out that gets stuck."""
        self.install(baton={**BALANCED, "readiness": "leader", "replicas": 1, "terminationGracePeriodSeconds": 12})
        pod = self.leading().pod
        self.assertIn("note not checked: the workload's strategy", self.check(pod))
        self.k("create", "role", "owners", "--verb=get", "--resource=replicasets.apps,deployments.apps")
        self.k("create", "rolebinding", "owners", "--role=owners", f"--serviceaccount={self.namespace}:worker")
        said = self.check(pod)
        self.assertIn("note terminationGracePeriodSeconds is 12, not above the renew-deadline of 12s", said)
        self.assertIn("ok   roll-out of the Deployment worker (replicas 1, Ready only as the leader): completes", said)
        self.patch("deployment/worker", {"spec": {"strategy": {"rollingUpdate": {
            "maxUnavailable": "25%", "maxSurge": "25%"}}}})
        said = self.check(pod)
        self.assertIn("note roll-out of the Deployment worker (replicas 1, Ready only as the leader): gets stuck", said)
        for line in said.splitlines():
            if line.startswith("note"):
                self.note(line)
