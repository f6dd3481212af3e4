"""How long a workload is without a leader when something dies.

A leader killed with SIGKILL, alone or with its whole Pod: the whole time, and what of it is beyond
the Lease's expiry, at each profile and beside client-go. A sidecar killed and started again in its
Pod. An application that ends beside a sidecar that lives.
"""

import concurrent.futures
import functools
import os
import random
import shutil
import signal
import subprocess
import threading
import time
import uuid

import candidates
import harness
import plots
from candidates import Election, FirstYes
from harness import BenchError, now_ns
from report import percentile, percentiles

KILLED = "leader killed with SIGKILL, 3 candidates"
RESTARTED = "sidecar killed and started again in its Pod, 3 candidates"
DEAD_APPLICATION = "application dead, sidecar alive, 3 candidates"

PROFILES = {"aggressive": (4, 10), "balanced": (2, 10), "conservative": (1, 4)}  # rounds
PEER = "client-go 15/10/2"
PEER_ROUNDS = (2, 10)
ELECTIONS = (4, 10)  # of each profile or peer
CROWD = "aggressive, 10 elections at once"
# Those of a wave go on at once, since most of their time is waiting; not all, since where too many end
# at the same moment, the processors' own crowd is measured. For the same reason they start apart: what
# the first leader of a crowd writes comes late to its followers, who count from then. Long rounds first.
WAVES = (("aggressive",), ("conservative", "balanced", PEER))
START_APART_S = 0.5
# Beside e0 to e29, apart from handover's.
RESTARTED_LEASE, DEAD_APPLICATION_LEASE, WATCHED_LEASE = "e45", "e46", "e44"


def measure(stage, report, quick):
    elections = ELECTIONS[0 if quick else 1]
    leases = {profile: [f"e{10 * index + number}" for number in range(elections)]
              for index, profile in enumerate(PROFILES)}
    candidates.release(stage, [lease for some in leases.values() for lease in some]
                       + [RESTARTED_LEASE, DEAD_APPLICATION_LEASE, WATCHED_LEASE])
    measure_restarted(stage, report, 10 if quick else 50)
    measure_dead_application(stage, report, 10 if quick else 50)
    measure_killed(stage, report, leases, 0 if quick else 1)


class Application:
    """A command that baton exec runs beside a candidate while it leads."""

    def __init__(self, stage, candidate):
        pid_file = stage.dir / f"{candidate.name}.pid"
        pid_file.unlink(missing_ok=True)
        self.exec_process = harness.start(
            [stage.baton, "exec", "--local-address", f"127.0.0.1:{candidate.port}", "--",
             "sh", "-c", f"echo $$ >{pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 1000"],
            stage.dir / f"{candidate.name}.exec.log")
        harness.until(pid_file.exists, 30, f"the application beside {candidate.name}")
        self.pid = int(pid_file.read_text())

    def died(self):
        self.exec_process.wait()

    def end(self):
        self.exec_process.kill()
        self.exec_process.wait()


# A leader killed.

class Timetable:
    """Expiries of Leases, so far apart that no election's LISTs are within another one's take-over.
    One that comes within 100 ms of another LIST of Leases may have to wait for so long: until the API
    server's watch cache has caught up with etcd, which it asks for its progress once in 100 ms
    (progressRequestPeriod of k8s.io/apiserver/pkg/storage/cacher)."""

    def __init__(self):
        self._mutex = threading.Lock()
        self._taken = []

    def take(self, expiry_ns, silence_ns):
        """False if another one is too near. silence_ns: when followers ask whether their watch is
        still alive (R16)."""
        def span(from_ns, begin_ms, end_ms):
            return from_ns + begin_ms * 1_000_000, from_ns + end_ms * 1_000_000
        quiet = [span(expiry_ns, -150, 100)]
        # After the take-over the one that is started anew lists too.
        lists = [span(silence_ns, 0, 150), span(expiry_ns, 0, 500)]
        def collide(some, others):
            return any(begin < other_end and other_begin < end
                       for begin, end in some for other_begin, other_end in others)
        with self._mutex:
            if any(collide(quiet, others) or collide(lists, other_quiet)
                   for other_quiet, others in self._taken):
                return False
            self._taken.append((quiet, lists))
            return True


def measure_killed(stage, report, leases, size):
    def of_baton(profile, timetable):
        kill = functools.partial(kill_baton, stage, profile, timetable)
        return [(kill, lease, PROFILES[profile][size]) for lease in leases[profile]]
    timetable = Timetable()
    jobs = {profile: of_baton(profile, timetable) for profile in PROFILES}
    jobs[PEER] = [(functools.partial(kill_client_go, stage), f"peer-crash-{number}",
                   PEER_ROUNDS[size]) for number in range(ELECTIONS[size])]
    waves = list(WAVES)
    if size > 0:
        jobs[CROWD] = of_baton("aggressive", None)
        waves.insert(1, (CROWD,))
    found = {name: [] for name in jobs}
    for wave in waves:
        stage.progress(f"leaders are killed: {' and '.join(wave)}")
        with concurrent.futures.ThreadPoolExecutor(sum(len(jobs[name]) for name in wave)) as pool:
            running = []
            for name, job in [(name, job) for name in wave for job in jobs[name]]:
                running.append((name, pool.submit(*job)))
                time.sleep(START_APART_S)
            for name, one in running:
                found[name] += one.result()
    totals = {name: [total for total, _ in found[name]] for name in (*PROFILES, PEER)}
    beyond = {name: [over for _, over in rounds] for name, rounds in found.items() if name != PEER}
    report_killed(report, totals, beyond, stage.delay_ms)


def kill_baton(stage, profile, timetable, lease, rounds):
    """[(seconds without a leader, ms beyond the Lease's expiry)]"""
    found = []
    with Election(stage, "baton", lease, flags=["--profile", profile]) as election:
        for number in range(rounds):
            leader, followers = election.settle()
            # With its whole Pod, every other time.
            application = Application(stage, leader) if number % 2 else None
            with FirstYes(followers) as first_yes:
                stream = leader.connect()
                stream.follow()
                while True:
                    document = stream.next_event()  # a renewal has just counted
                    deadline_ns = int(document["deadlineBoottimeNs"])
                    sent_ns = deadline_ns - lease_ns(document, "renewDeadlineMs")
                    expiry_ns = sent_ns + lease_ns(document, "durationMs")
                    silence_ns = (sent_ns + lease_ns(document, "durationMs") * 3 // 5
                                  + lease_ns(document, "requestTimeoutMs"))
                    if timetable is None or timetable.take(expiry_ns, silence_ns):
                        break
                # Between two renewals: of one under way nobody knows whether it counts.
                kill_ns = sent_ns + random.uniform(0.1, 0.9) * lease_ns(document, "renewPeriodMs")
                time.sleep(max(0, kill_ns - now_ns()) / 1e9)
                kill_ns = now_ns()
                leader.process.kill()
                if application:
                    application.end()
                yes_ns = first_yes.wait_ns(120, f"SIGKILL to {leader.name}")
                stream.close()
            found.append(((yes_ns - kill_ns) / 1e9, (yes_ns - expiry_ns) / 1e6))
            leader.restart()
    return found


def lease_ns(document, field):
    return document["lease"][field] * 1_000_000


def kill_client_go(stage, lease, rounds):
    """[(seconds without a leader, None)]"""
    found = []
    with Election(stage, "client-go", lease) as election:
        for _ in range(rounds):
            leader, followers = election.settle()
            time.sleep(random.uniform(1, 3.4))
            with FirstYes(followers, period_ms=20) as first_yes:
                kill_ns = now_ns()
                leader.process.kill()
                yes_ns = first_yes.wait_ns(120, f"SIGKILL to {leader.name}")
            found.append(((yes_ns - kill_ns) / 1e9, None))
            leader.restart()
    return found


def report_killed(report, totals, beyond, delay_ms):
    report.note(KILLED, "From SIGKILL to another candidate's first yes; every other round kills the"
                " whole Pod, sidecar and application. client-go's local HTTP is asked every 20 ms."
                " What is beyond the Lease's expiry has its zero one lease duration after the"
                " leader *sent* its last renewal; followers count from when they received it, so"
                " its way to them is part of the figure. Then one of them reads the Lease and takes"
                " it. The API server may let that read wait for up to 100 ms if Leases have been"
                " listed just before, since it asks etcd once in 100 ms how far its watch cache is"
                " behind; so the goals are for leaders that end apart from each other.")
    for name, values in totals.items():
        report.row(KILLED, f"{name}, time without a leader", values, "s")
    for name, values in beyond.items():
        report.row(KILLED, f"{name}, beyond the Lease's expiry", values, "ms")
        if name != CROWD:
            report.goal(
                KILLED, f"{name}: p99 beyond the Lease's expiry, ms", percentile(values, 0.99),
                50 + 3 * delay_ms, ratio=False)  # the last event, a read, the write
    report.goal(KILLED, "balanced: p50 of the time without a leader over client-go's",
                percentile(totals["balanced"], 0.5) / percentile(totals[PEER], 0.5), 1)
    report.glance("leader is killed, until the next one leads: p50 / max",
                  [percentiles(totals[name], 0.5, 1) for name in ("balanced", PEER)], "s")
    report.plot(KILLED, "crash", plots.distribution(
        "A leader killed", totals, "without a leader, s"))


# A sidecar killed and started again.

def measure_restarted(stage, report, rounds):
    stage.progress(f"a sidecar started again in its Pod: {rounds} rounds")
    started_ms, killed_ms = [], []
    election = Election(stage, "baton", RESTARTED_LEASE)
    for candidate in election.candidates:
        candidate.command += ["--pod-uid", str(uuid.uuid4())]
    with election:
        for _ in range(rounds):
            leader, _ = election.settle()
            time.sleep(random.uniform(0.2, 0.6))
            kill_ns = now_ns()
            leader.process.kill()
            leader.process.wait()
            start_ns = now_ns()
            leader.start()
            yes_ns = first_own_yes_ns(leader)
            started_ms.append((yes_ns - start_ns) / 1e6)
            killed_ms.append((yes_ns - kill_ns) / 1e6)
    report.note(RESTARTED, "With the same Pod UID a sidecar takes over from its own earlier"
                " incarnation, as a new term with a new token (R19). What the kubelet adds before"
                " it starts a container again is not in it.")
    report.row(RESTARTED, "start of the process to its first yes", started_ms, "ms")
    report.row(RESTARTED, "SIGKILL to its first yes", killed_ms, "ms")
    report.goal(RESTARTED, "p99 from the start of the process to its first yes, ms",
                percentile(started_ms, 0.99), 300 + 2 * stage.delay_ms, ratio=False)


def first_own_yes_ns(candidate):
    deadline_ns = now_ns() + 30_000_000_000
    while now_ns() < deadline_ns:
        try:
            stream = candidate.connect()
        except OSError:
            time.sleep(0.001)
            continue
        try:
            document = stream.follow()
            while not document["isLeader"]:
                document = stream.next_event()
            return now_ns()
        finally:
            stream.close()
    raise BenchError(f"{candidate.name} does not listen 30 s after its start")


# An application that ends.

class NamedApplication:
    """A process whose end its candidate sees by itself. Each has a name of its own: here every
    candidate sees the processes of all."""

    def __init__(self, stage, candidate, index):
        self._program = stage.dir / f"app{os.getpid()}-{index}"  # at most 15 bytes count
        self._program.symlink_to(shutil.which("sleep"))
        candidate.command += ["--app-process", self._program.name]
        self.start()

    def start(self):
        self._process = subprocess.Popen([self._program, "1000"])
        self.pid = self._process.pid

    def died(self):
        self._process.wait()
        self.start()

    def end(self):
        self._process.kill()
        self._process.wait()


def measure_dead_application(stage, report, rounds):
    report.note(DEAD_APPLICATION, "The application is killed by SIGKILL: as the command of `baton"
                " exec`, which tells the sidecar, or as a process that the sidecar watches by"
                " `app-process`. The sidecar resigns with that end as the proof. The release is"
                " seen in a watch of the Lease.")
    stage.progress(f"an application killed beside its sidecar: {rounds} rounds")
    with Election(stage, "baton", DEAD_APPLICATION_LEASE) as election:
        found = kill_applications(stage, election, DEAD_APPLICATION_LEASE, rounds,
                                  lambda leader: Application(stage, leader))
    report_dead_application(report, "baton exec", found, stage.delay_ms)
    stage.progress(f"an application killed that its sidecar watches: {rounds} rounds")
    election = Election(stage, "baton", WATCHED_LEASE)
    applications = {}
    try:
        for index, candidate in enumerate(election.candidates):
            applications[candidate] = NamedApplication(stage, candidate, index)
        with election:
            found = kill_applications(stage, election, WATCHED_LEASE, rounds, applications.get)
    finally:
        for application in applications.values():
            application.end()
    report_dead_application(report, "app-process", found, stage.delay_ms)


def kill_applications(stage, election, lease, rounds, application_of):
    """[(ms from the leader's application's end to the release, to another candidate's yes)]"""
    found = []
    election.settle()
    versions = stage.cluster.watch_lease(lease)
    harness.until(lambda: versions, 10, "the watch's first event")
    for _ in range(rounds):
        leader, followers = election.settle()
        application = application_of(leader)
        time.sleep(random.uniform(0.2, 0.6))
        with FirstYes(followers) as first_yes:
            seen = len(versions)
            kill_ns = now_ns()
            os.kill(application.pid, signal.SIGKILL)
            yes_ns = first_yes.wait_ns(60, f"the end of {leader.name}'s application")
        application.died()
        freed_ns = harness.until(
            lambda: next((at_ns for at_ns, holder in versions[seen:] if not holder), None),
            10, "the release in the watch")
        found.append(((freed_ns - kill_ns) / 1e6, (yes_ns - kill_ns) / 1e6))
    return found


def report_dead_application(report, by, found, delay_ms):
    release_ms, yes_ms = zip(*found)
    report.row(DEAD_APPLICATION, f"{by}: its exit to the release", release_ms, "ms")
    report.row(DEAD_APPLICATION, f"{by}: its exit to another candidate's first yes", yes_ms, "ms")
    report.goal(DEAD_APPLICATION, f"{by}: p99 from its exit to the release, ms",
                percentile(release_ms, 0.99),
                100 + delay_ms, ratio=False)  # the write under way, whose answer comes first
