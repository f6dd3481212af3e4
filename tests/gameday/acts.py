"""What is rehearsed: each act with what it does, what the rules of docs/guarantees.md make of it, and how it is played."""
import dataclasses
import datetime
import json
import signal
import ssl
from typing import Callable

import pods
from pods import EXISTING, kubectl, wait_for
from rehearsal import LEASES, PATIENCE_S, RELEASE, TOKEN_S, Stutter, signal_all

D, V, H, R = 15, 12, 5, 2  # lease duration, renew deadline, renew period, request timeout, in s
TIMINGS = {"lease-duration": f"{D}s", "renew-deadline": f"{V}s", "renew-period": f"{H}s", "request-timeout": f"{R}s"}
SOON_S = (D + 2 * H + 2 * R + D) / 0.9  # a leader is there, after the fault, where the machine keeps up
API = ("10.200.0.1", 6443)  # of e2e/cluster
IN_THE_NODE = "needs the inside of the node, which e2e/cluster alone opens"

DEADLINE = "R2: no renewal was confirmed within the renew deadline"
RISES = "a higher token, no effect of the old leader after the next one's first"


@dataclasses.dataclass
class Act:
    name: str
    does: str
    expects: str
    play: Callable  # with the rehearsal and the old leader's term; returns when the fault is over
    may_go_on: bool = False  # the term
    ends: tuple = ()  # how the reasons begin for which it may be lost, as its sidecar logs them
    is_fenced: bool = False  # may the store have to refuse the old leader?
    why_not: str = ""  # it cannot be played here
    rights: tuple = ()


def kill(r, old):
    r.k("delete", "pod", old.pod, "--force", "--grace-period=0", "--wait=false")
    r.mark(f"{old.pod[-5:]} deleted")
    r.leading(other_than=[old.pod])
    r.rolled_out(seconds=PATIENCE_S)


def drain(r, old):
    gone = [old.pod] if EXISTING else [each["metadata"]["name"] for each in r.pods()]
    if EXISTING:
        r.k("create", "--raw", f"/api/v1/namespaces/{r.namespace}/pods/{old.pod}/eviction", "-f", "-", input=json.dumps(
            {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": old.pod, "namespace": r.namespace}}))
        r.mark("evicted")
    else:
        try:
            kubectl("drain", "node0", "--pod-selector=app=worker", "--delete-emptydir-data", f"--timeout={PATIENCE_S}s")
            r.mark("drained")
        finally:
            kubectl("uncordon", "node0")
        r.mark("uncordoned")
    r.leading(other_than=gone)
    r.rolled_out(seconds=PATIENCE_S)


def update(r, old):
    gone = [each["metadata"]["name"] for each in r.pods()]
    r.k("rollout", "restart", "deployment/worker")
    r.mark("new Pods asked for")
    r.rolled_out(seconds=PATIENCE_S)
    r.mark("rolled out")
    r.leading(other_than=gone)


def pause(r, old):
    processes = r.processes(old.pod, "worker", "baton")
    signal_all(processes, signal.SIGSTOP)
    r.mark(f"SIGSTOP to {old.pod[-5:]}")
    try:
        r.leading(other_than=[old.pod])
    finally:
        signal_all(processes, signal.SIGCONT)
        r.mark("SIGCONT")
    r.k("wait", "--for=condition=Ready", f"pod/{old.pod}", f"--timeout={PATIENCE_S}s")


def partition(r, old):
    """The rule is in the Pod's own network, so it goes with the Pod."""
    service = kubectl("get", "service", "kubernetes", "--namespace", "default", "-o", "jsonpath={.spec.clusterIP}").stdout
    process = r.processes(old.pod, "baton")[0]

    def rule(how, **options):
        pods.run("nsenter", "--target", process, "--net", "iptables", how, "OUTPUT", "-d", service, "-j", "DROP", **options)
    rule("-I")
    r.mark(f"{old.pod[-5:]} cut off")
    try:
        r.leading(other_than=[old.pod])
    finally:
        rule("-D", check=False)  # the Pod may be gone
        r.mark("joined again")
    r.k("wait", "--for=condition=Ready", f"pod/{old.pod}", f"--timeout={PATIENCE_S}s")


def outage(r, old):
    addresses = r.addresses()
    pods.signal_component("kube-apiserver", signal.SIGSTOP)
    r.mark("API server stopped")
    try:
        wait_for("every Pod says no", lambda: r.all_say_no(addresses), PATIENCE_S)
        r.mark("every Pod says no")
    finally:
        pods.signal_component("kube-apiserver", signal.SIGCONT)
    r.api_is_back()
    r.next_term(old)


def slow(r, old):
    r.mark("API server stutters")
    with Stutter():
        r.renewals(4)
    r.mark("it answers at once")


def clock(r, old):
    for hours in (-1, 1):
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
        stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        r.k("patch", "lease", RELEASE, "--type=merge", "--patch", json.dumps({"spec": {"renewTime": stamp, "acquireTime": stamp}}))
        r.mark(f"Lease says {hours:+} h")
        r.renewals(2)


def lease(r, old):
    r.k("delete", "lease", RELEASE)
    r.mark("Lease deleted")
    r.next_term(old)


def certificate(r, old):
    def served():
        return ssl.get_server_certificate(API)
    before = served()
    pods.node("renew")
    pods.node("restart", "kube-apiserver")
    r.mark("API server restarted")
    r.api_is_back()
    assert served() != before, "the API server serves the old certificate"


def token(r, old):
    before = r.token_expiry(old.pod)
    r.mark("its token is waited for")
    wait_for("the leader's sidecar has a later token", lambda: r.token_expiry(old.pod) > before, TOKEN_S + PATIENCE_S)
    r.mark(f"{old.pod[-5:]} has a later token")
    r.renewals(2)


WAITED = f"the next leader once {D} s have passed without a renewal (R4), by the rules within {SOON_S:.0f} s"
ACTS = [
    Act("kill", "the leader's Pod is deleted without a grace period",
        f"{WAITED}, sooner if its sidecar could still release; {RISES}", kill),
    Act("drain", "the leader's Pod is evicted" if EXISTING else "the node is drained, then takes Pods again",
        f"the work ends, then the Lease is released (R12); {RISES}", drain,
        rights=("create pods/eviction",) if EXISTING else ()),
    Act("update", "every Pod is replaced by a rolling update", f"one hand-over for each leader that goes; {RISES}", update),
    Act("pause", "every process of the leader's Pod is stopped (SIGSTOP), and goes on once another leads",
        f"{WAITED}; a higher token; the old leader's first answer is no, and the store refuses what it had begun", pause,
        ends=(DEADLINE, "R11: held by"), is_fenced=True, why_not=IN_THE_NODE if EXISTING else ""),
    Act("partition", "the leader's Pod is cut off from the API server until another leads",
        f"it stops {V} s after it sent its last renewal (R2); {WAITED}; {RISES}", partition,
        ends=(DEADLINE,), why_not=IN_THE_NODE if EXISTING else ""),
    Act("outage", "the API server answers nobody (SIGSTOP) until every Pod says that it does not lead",
        f"the leader stops {V} s after it sent its last renewal (R2), nobody leads meanwhile; afterwards {RISES}", outage,
        ends=(DEADLINE,), why_not=IN_THE_NODE if EXISTING else ""),
    Act("slow", "the API server is stopped for half of each second, for four renewals",
        f"answers come in time and the term goes on, or none comes in {V} s and it ends (R2)", slow,
        may_go_on=True, ends=(DEADLINE,), why_not=IN_THE_NODE if EXISTING else ""),
    Act("clock", "the Lease gets the times that a clock an hour behind, then an hour ahead would write. No clock is stepped: "
        "a Pod's is its node's, and e2e/cluster's is this machine's",
        "the term goes on: those times decide nothing (R4)", clock, may_go_on=True,
        rights=(f"patch {LEASES}",)),
    Act("lease", "the Lease is deleted",
        f"the leader stops at once (R11), the Lease is made anew and waited out for {D} s (R5); {RISES}", lease,
        ends=("R11: the Lease was",)),
    Act("certificate", "the API server gets a new key and certificate, and is restarted with them",
        f"sidecars take it, being of the same authority; the term goes on if that was quick, else it ends {V} s after the "
        "last renewal (R2)", certificate, may_go_on=True, ends=(DEADLINE,), why_not=IN_THE_NODE if EXISTING else ""),
    Act("token", f"the kubelet renews the leader's token, which lives for {TOKEN_S} s, after four fifths of that",
        "the sidecar takes it, the term goes on", token, may_go_on=True, rights=("get pods/proxy",)),
]
