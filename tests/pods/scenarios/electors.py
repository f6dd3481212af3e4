"""Other electors, other versions and other tokens on the Lease."""
import base64
import json
import os
import signal
import time

import pods
import stage
from pods import BIN, ENVIRONMENT, NODE, ROOT, WORK, helm, kubectl, now_ns, on_our_node, wait_for
from stage import BALANCED, PATIENT, UNTIL_IT_ENDS, Scenario

DURATION_S = 15  # of baton's profile balanced, and client-go's default
LEEWAY_S = 120  # the API server grants an expired token a minute, to which its cache adds some seconds


def is_client_go(pod):
    return pod.startswith("client-go-")


@on_our_node
class Foreign(Scenario):
    """Beside client-go's candidate, the worker believes each answer of its IsLeader() for 100 ms, and its
    token is leaseTransitions + 1. What client-go writes into the Lease is not held to baton's rules."""

    def tearDown(self):
        self.watch.versions = [v for v in self.watch.versions if v.token and not is_client_go(v.holder)]
        super().tearDown()

    def install_client_go(self, *flags, **options):
        stage.pack("client-go:test", f"{BIN}/client-go-candidate=/client-go-candidate", "--", "/client-go-candidate")
        self.install_elector("client-go:test", f"-namespace={self.namespace}", "-lease=worker",
                             "-http=127.0.0.1:4040", "-release-on-cancel", *flags, **options)

    def install_elector(self, image, *args, name="client-go", replicas=1):
        """In a second container beside the worker, as was usual; its ServiceAccount may do all it asks for."""
        variable = {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        elector = {"name": "elector", "image": image, "imagePullPolicy": "Never", "args": args, "env": [variable]}
        worker = {"name": "worker", "image": "worker:test", "imagePullPolicy": "Never",
                  "command": ["/worker", "work"], "env": [variable, {"name": "RESOURCE", "value": self.namespace}],
                  "volumeMounts": [{"name": "effects", "mountPath": "/effects"}]}
        volume = {"name": "effects", "hostPath": {"path": str(self.folder)}}
        labels, rights = {"app": name}, {"name": "elector"}
        items = [
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": rights,
             "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
                        "verbs": ["get", "list", "watch", "create", "update"]}]},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": rights,
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", **rights},
             "subjects": [{"kind": "ServiceAccount", "name": "default"}]},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
             "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {
                 "metadata": {"labels": labels},
                 "spec": {"containers": [elector, worker], "volumes": [volume]}}}}]
        self.k("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        self.rolled_out(f"deployment/{name}")

    def client_go_renews(self):
        """For longer than a candidate of baton waits."""
        start = len(self.watch.versions)

        def is_long():
            times = [v.time_ns for v in self.watch.versions[start:] if is_client_go(v.holder)]
            return times and times[-1] - times[0] > DURATION_S * 1e9
        wait_for("client-go's renewals", is_long)

    def transition(self, old, what):
        """What was seen between the last effect beside client-go and the first beside baton."""
        over = next(o for o in pods.hand_overs(self.lines(), self.watch.versions) if o.tokens[0] == old.token)
        self.note(f"{what}: {over.gap / 1000:.1f} s without effect, then the first term of baton, token {over.tokens[1]}")


class ForeignElector(Foreign):
    is_alone = True  # a guard is there for the whole cluster, or it is not

    def test_beside_baton(self):
        """baton's candidates are held to all that they promise; what client-go does is counted."""
        everything, requests = super().lines, super().requests
        self.lines = lambda: [line for line in everything() if not is_client_go(line.pod)]
        self.requests = lambda: [each for each in requests() if not is_client_go(each.pod)]

        def client_go(word="effect"):
            return [line for line in everything() if is_client_go(line.pod) and line.word == word]
        self.install(baton={**BALANCED, "replicas": 2})
        self.rolled_out()
        first = self.leading()
        self.install_client_go()
        time.sleep(5)
        self.assertEqual([], client_go())
        self.note("baton leads, client-go follows")
        self.k("scale", "deployment/worker", "--replicas=0")
        wait_for("client-go takes the released Lease", client_go)
        self.k("scale", "deployment/worker", "--replicas=2")
        self.rolled_out()
        self.client_go_renews()
        self.assertEqual([first.token], [term.token for term in pods.terms_of(self.lines())])
        self.note(f"client-go leads, baton follows and waits {DURATION_S} s from each renewal that it sees")
        [pod] = self.get("pods", "-l", "app=client-go")
        container, _, _ = self.container(pod["metadata"]["name"], "elector")
        elector = pods.pids_of_container(container)[0]
        paused_ns = now_ns()
        os.kill(elector, signal.SIGSTOP)
        try:
            second = self.leading()
        finally:
            os.kill(elector, signal.SIGCONT)
        self.note(f"client-go is paused: baton leads {(second.first_ns - paused_ns) / 1e9:.1f} s later")
        time.sleep(5)
        self.assertEqual(second.token, self.leading().token)
        late = [line for line in client_go() if line.time_ns >= second.first_ns]
        self.note(f"client-go goes on: it acts {len(late)} times beside the leader" + (
            f", until +{(late[-1].time_ns - late[0].time_ns) / 1e6:.0f} ms" if late else ""))
        refused = client_go("refused")
        self.assertEqual(len(client_go()), len(refused))
        self.note(f"the store has seen a token of baton's and refused all of client-go's {len(refused)} effects")

    def test_migration_under_the_guard(self):
        """baton is installed beside client-go, which is then scaled away, and cannot come back."""
        self.install_client_go(replicas=2)
        old = self.leading()
        self.addCleanup(helm, "uninstall", "policies", "--namespace", self.namespace)
        self.install("policies", WORK / "charts/baton", **{"guard.enabled": True})
        self.install(baton={**BALANCED, "replicas": 2, "lease": False})
        self.rolled_out()
        self.client_go_renews()
        self.assertEqual(old.token, self.leading().token)
        self.k("scale", "deployment/client-go", "--replicas=0")
        wait_for("baton leads", lambda: (lambda term: not is_client_go(term.pod))(self.leading()))
        self.transition(max((t for t in pods.terms_of(self.lines()) if is_client_go(t.pod)),
                            key=lambda term: term.token), "client-go scaled to 0")
        led = self.leading()
        bare = json.dumps({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "worker"}})
        self.assertIn("baton-token-guard", self.k("replace", "-f", "-", input=bare, check=False).stderr)
        self.assertIn("baton-deletion-guard", self.k("replace", "--force", "-f", "-", input=bare, check=False).stderr)
        self.k("scale", "deployment/worker", "--replicas=0")
        self.k("scale", "deployment/client-go", "--replicas=1")
        refusal = wait_for("client-go is refused", lambda: [
            line for line in self.k("logs", "-l", "app=client-go", "-c", "elector", check=False).stdout.splitlines()
            if "baton-token-guard" in line])
        self.note("client-go on the released Lease: " + refusal[0].partition("err=")[2][:300])
        time.sleep(5)
        self.assertEqual("", self.get("lease", "worker")["spec"].get("holderIdentity", ""))
        self.assertEqual(led.token, pods.terms_of(self.lines())[-1].token)
        self.k("scale", "deployment/worker", "--replicas=2")
        self.assertLess(led.token, self.leading().token)


class Migration(Foreign):
    def test_by_roll_out(self):
        """One Deployment: each Pod with client-go's elector is replaced by one with baton."""
        self.install_client_go(name="worker", replicas=3)
        self.leading()
        old = {each["metadata"]["name"] for each in self.pods()}
        manifests = helm("template", "worker", stage.WORKER, "--namespace", self.namespace, "--set", "baton.lease=false",
                         "--set", f"effects={self.folder}", "--set-json", f"baton.image={json.dumps(stage.image)}")
        self.k("apply", "-f", "-", input=manifests.stdout)
        self.rolled_out()
        self.leading(other_than=old)
        self.transition([t for t in pods.terms_of(self.lines()) if t.pod in old][-1], "rolled out")

    def test_flags_of_the_retired_elector(self):
        """Its container's image is replaced, its flags and what the application asks stay."""
        self.install_elector(f"{stage.image['repository']}:{stage.image['tag']}", "--election=worker",
                             f"--election-namespace={self.namespace}", "--id=$(POD)", "--ttl=10s",
                             "--http=127.0.0.1:4040", "--use-cluster-credentials", name="worker", replicas=2)
        leader = self.leading()
        for each in self.pods():
            said = self.k("exec", each["metadata"]["name"], "-c", "worker", "--", "/bin/busybox", "wget", "-qO-",
                          "http://127.0.0.1:4040/").stdout
            self.assertEqual({"name": leader.pod}, json.loads(said))
        self.note(f"GET / in both Pods: {said.strip()}")
        self.k("delete", "pod", leader.pod, "--wait=false")
        self.leading(other_than=[leader.pod])


@on_our_node
class Version(Scenario):
    def test_roll_out_and_back(self):
        """The previous version, this one and the next: their records' formats are 0, 1 and 2."""
        images = {1: stage.image}
        for number in (0, 2):
            program = ROOT / f"build/release/baton-format-{number}"
            self.assertTrue(program.exists(), f"{program} is missing: cmake --build --preset release")
            stage.pack(f"baton:format-{number}", "--program", f"{program}=/baton", "--", "/baton")
            images[number] = {"repository": "baton", "tag": f"format-{number}"}
        settings = {"profile": "balanced", "log-level": "debug"}
        self.install(env=UNTIL_IT_ENDS, baton={"settings": settings, "image": images[0]})
        self.rolled_out()
        before = self.leading()
        for old, new in ((0, 1), (1, 2), (2, 1), (1, 0)):
            gone = {each["metadata"]["name"] for each in self.pods()}
            self.install(env=UNTIL_IT_ENDS, baton={"settings": settings, "image": images[new]})
            self.rolled_out()
            after = self.leading(other_than=gone)
            self.assertEqual(str(new), self.get("lease", "worker")["metadata"]["annotations"]["baton/format"])
            self.last_hand_over()
            overs = [o for o in pods.hand_overs(self.lines(), self.watch.versions)
                     if before.token < o.tokens[1] <= after.token]
            [across] = [o for o in overs if o.old in gone and o.new not in gone]
            self.assert_released(across)
            wait = across.acquired - across.released
            grounds = self.grounds(across.new, across.tokens[1])
            self.note(f"from format {old} to {new}: {len(overs)} hand-overs, acquired {wait:.0f} ms after the release: "
                      f"{grounds}; at most {max(o.gap for o in overs):.0f} ms without effect")
            if new > old:
                self.assertEqual("released by its holder (R4)", grounds)
            else:
                self.assertEqual("waited out (R4)", grounds)
                self.assertLessEqual(DURATION_S * 1000, wait)
            before = after


@on_our_node
class Token(Scenario):
    is_long = True  # so it begins with the first

    def test_rotated(self):
        """The shortest there is: the kubelet renews it after 480 s of its 600. The API server notes in the
        Lease which token each renewal came with; the old one is tried until it is refused."""
        subject = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
                   "resourceRules": [{"apiGroups": ["coordination.k8s.io"], "apiVersions": ["v1"],
                                      "operations": ["UPDATE"], "resources": ["leases"]}]}
        note = ("Object{metadata: Object.metadata{annotations: {'seen/credential': "
                "request.userInfo.extra['authentication.kubernetes.io/credential-id'][0]}}}")
        spec = {"matchConstraints": subject, "failurePolicy": "Ignore", "reinvocationPolicy": "Never", "mutations": [
            {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": note}}]}
        group, name = "admissionregistration.k8s.io/v1", self.namespace
        items = [{"apiVersion": group, "kind": "MutatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec},
                 {"apiVersion": group, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name},
                  "spec": {"policyName": name}}]
        kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        self.addCleanup(kubectl, "delete", "mutatingadmissionpolicy,mutatingadmissionpolicybinding", name)
        self.install(tokenSeconds=600, env={"PACE_MS": "1000"}, baton={**PATIENT, "replicas": 2})
        self.rolled_out()
        leader = self.leading(seconds=120)
        process = pods.pids_of_container(self.container(leader.pod, "baton")[0])[0]
        file = f"/proc/{process}/root/var/run/secrets/kubernetes.io/serviceaccount/token"
        old = open(file).read()
        body = old.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        self.assertEqual(600, claims["exp"] - claims["iat"])
        seen = []  # (age of the first token, which one a renewal came with)

        def age():
            return time.time() - claims["iat"]

        def is_refused(token):
            answer = pods.run(BIN / "kubectl", "--kubeconfig=/dev/null", "--server=https://10.200.0.1:6443",
                              f"--certificate-authority={NODE}/pki/ca.crt", f"--token={token}",
                              f"--namespace={self.namespace}", "get", "lease", "worker", check=False, env=ENVIRONMENT)
            return "Unauthorized" in answer.stderr
        self.assertFalse(is_refused(old))
        sent = age()
        while sent < 600 or not is_refused(old):
            self.assertLess(sent, 600 + LEEWAY_S, "the old token is accepted for too long")
            came_with = self.get("lease", "worker")["metadata"]["annotations"].get("seen/credential")
            if came_with and (not seen or seen[-1][1] != came_with):
                seen.append((age(), came_with))
            time.sleep(5)
            sent = age()
        renewals = len(self.watch.versions)
        wait_for("renewals after that", lambda: len(self.watch.versions) > renewals + 3, 120)
        self.assertEqual(f"JTI={claims['jti']}", seen[0][1])
        self.assertEqual(2, len(seen), seen)
        self.assertNotEqual(old, open(file).read())
        self.assertEqual(leader.token, self.leading().token)
        self.assertEqual([leader.token], [term.token for term in pods.terms_of(self.lines())])
        self.note(f"renewals come with the new token from {seen[1][0]:.0f} s on, the old one is refused after "
                  f"{sent:.0f} s, the same term still runs {age():.0f} s after the token was made")
