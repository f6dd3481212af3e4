"""What a candidate takes of its node, beside client-go's: memory, growth, CPU, start, size."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time

import candidates
import harness
import plots
from answers import is_listening, resign
from candidates import Candidate, Election
from harness import BenchError, memory_kib, now_ns
from report import percentiles

sys.path.append(str(harness.ROOT / "tests/image"))
from image import Image  # noqa: E402

SECTION = "footprint"
LEASES = {"baton": "e41", "client-go": "client-go-idle"}
START_LEASES = {"baton": "e43", "client-go": "client-go-start"}
LINKED = {"static": "the image's binary, linked statically",
          "shared": "this build's, linked with shared libraries, and not the image's"}
RSS_MIB = {"static": 9, "shared": 14}
CPU_PERCENT, START_MS = 0.1, 150
# Less than one allocation (of at least 32 bytes) kept of a hundred requests.
GROWTH_KIB = 256
GROWTH_BYTES = 256  # times are written with more digits or with fewer


def measure(stage, report, quick):
    """Of the binary in the image that BATON_IMAGE_ARCHIVE names; without it, of the build's."""
    idle_s, requests, renewals, starts = (
        (12, 100_000, 100_000, 5) if quick else (60, 1_000_000, 1_000_000, 30))
    programs, linked = stage.build, "shared"
    if archive := os.environ.get("BATON_IMAGE_ARCHIVE"):
        folder, linked = stage.dir / "image", "static"
        folder.mkdir()
        image_sizes(report, Image(archive, folder))
        stage = dataclasses.replace(stage, build=folder)
    report.note(SECTION, f"baton is {LINKED[linked]}. Three candidates of each kind, without"
                         " clients. CPU is the time on a processor by the scheduler's account. A"
                         " start follows the release of the Lease at once.")
    candidates.release(stage, [LEASES["baton"], START_LEASES["baton"]])
    rss, cpu, leading_ms = {}, {}, []
    for kind in LEASES:
        with Election(stage, kind, LEASES[kind]) as election:
            rss[kind], cpu[kind] = processes(stage, report, election, idle_s)
            if kind == "baton":
                after_requests(stage, report, election, programs / "load_generator", requests)
    report.goal(SECTION, f"MiB of RSS, the larger of leader and follower, {linked}",
                max(rss["baton"].values()), RSS_MIB[linked], ratio=False)
    for role, mib in rss["baton"].items():
        report.goal(SECTION, f"RSS of client-go's {role} over baton's",
                    rss["client-go"][role] / mib, 1, at_most=False)
    report.plot(SECTION, "memory-of-a-candidate", plots.bars(
        "Memory of a candidate", {f"{kind}, {role}": mib for kind, roles in rss.items()
                                  for role, mib in roles.items()}, "resident memory, MiB"))
    after_renewals(stage, report, programs / "renewals_bench", renewals)
    for kind in START_LEASES:
        leading_ms.append(start_times(stage, report, kind, starts))
    binaries_mb = []
    for kind, path in (("baton's binary", stage.baton), ("client-go's", stage.client_go)):
        binaries_mb.append(path.stat().st_size / 1e6)
        report.figure(SECTION, f"size of {kind}", binaries_mb[-1], "MB")
    report.glance("resident memory: leader / follower",
                  [roles.values() for roles in rss.values()], "MiB")
    report.glance("processor's time while nothing happens: leader / follower",
                  [roles.values() for roles in cpu.values()], "%")
    report.glance("process start to leading, on a released Lease: p50 / max", leading_ms, "ms")
    report.glance("size of the binary", [[mb] for mb in binaries_mb], "MB")


def image_sizes(report, image):
    for how, size, limit_mb in (("unpacked", image.unpacked_bytes(), 10),
                                ("as gzip", sum(packed for _, packed, _ in image.layer_sizes()), 4)):
        report.goal(SECTION, f"MB of the image, {how}", size / 1e6, limit_mb, ratio=False)


def processes(stage, report, election, idle_s):
    """What a leader and a follower take, and do while nothing happens: {role: RSS in MiB}, {role: % of a
    processor}."""
    leader, followers = election.settle()
    time.sleep(2)  # what happens once, at a start or for a first term, is not idleness
    kind = leader.kind
    stage.progress(f"{kind}: {idle_s} s of idleness")
    both = {"leader": leader, "follower": followers[0]}
    begin = {role: cpu_ns(candidate.process.pid) for role, candidate in both.items()}
    time.sleep(idle_s)
    end = {role: cpu_ns(candidate.process.pid) for role, candidate in both.items()}
    if election.settle()[0] is not leader:
        raise BenchError("the leader changed during the idle period; end other load")
    rss, cpu = {}, {}
    for role, candidate in both.items():
        process = pathlib.Path("/proc", str(candidate.process.pid))
        memory = memory_kib(candidate.process.pid)
        rss[role] = memory["Rss"] / 1024
        name = f"{kind}, {role}"
        report.figure(SECTION, f"{name}: RSS", memory["Rss"] / 1024, "MiB")
        report.figure(SECTION, f"{name}: PSS", memory["Pss"] / 1024, "MiB")
        report.figure(SECTION, f"{name}: of these anonymous", memory["Anonymous"] / 1024, "MiB")
        report.figure(SECTION, f"{name}: threads", len(os.listdir(process / "task")), "")
        report.figure(SECTION, f"{name}: open descriptors", len(os.listdir(process / "fd")), "")
        cpu[role] = (end[role] - begin[role]) / (idle_s * 1e9) * 100
        report.figure(SECTION, f"{name}: CPU over {idle_s} idle s", cpu[role], "%")
        if kind == "baton":
            report.goal(SECTION, f"% of a core, idle {role}", cpu[role], CPU_PERCENT, ratio=False)
    return rss, cpu


def cpu_ns(pid):
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def after_requests(stage, report, election, generator, requests):
    """Anonymous memory of the leader before and after so many answers; the first tenth once more
    before that, so that what is allocated once has been."""
    leader, _ = election.settle()
    stage.progress(f"{requests} requests to the leader")
    def ask(count):
        subprocess.run([generator, "answers", str(leader.port), "8", str(count)], check=True,
                       stdout=subprocess.DEVNULL)
        return memory_kib(leader.process.pid)["Anonymous"]
    before = ask(requests // 10)
    growth = ask(requests) - before
    report.goal(SECTION, f"KiB of growth over {requests:,} requests (none, but for pages)", growth,
                GROWTH_KIB)


def after_renewals(stage, report, program, renewals):
    """A term of so many renewals in logical time, with core, codec and parser."""
    stage.progress(f"{renewals} renewals in logical time")
    ran = subprocess.run([program, str(renewals)], check=True, stdout=subprocess.PIPE)
    found = json.loads(ran.stdout)
    report.figure(SECTION, "allocated by a leader and a follower that renew",
                  found["last_tenth"] / 1024, "KiB")
    report.goal(SECTION, f"bytes of growth over {renewals:,} renewals",
                found["last_tenth"] - found["first_tenth"], GROWTH_BYTES)


def start_times(stage, report, kind, starts):
    """A single candidate on a Lease that its predecessor has released. Returns p50 and max, in ms."""
    candidate = Candidate(stage, kind, 0, START_LEASES[kind])
    listening_ms, leading_ms = [], []
    for number in range(-1, starts):  # the first makes the Lease, or waits for it
        stage.progress(f"{kind}: start {number + 1} of {starts}")
        begin_ns = now_ns()
        candidate.start()
        try:
            listens_ns = wait_ns(lambda: is_listening(candidate.port), candidate)
            leads_ns = wait_ns(lambda: (candidate.status() or [False])[0], candidate)
            release(candidate)
        finally:
            candidate.process.kill()
            candidate.process.wait()
        if number >= 0:
            listening_ms.append((listens_ns - begin_ns) / 1e6)
            leading_ms.append((leads_ns - begin_ns) / 1e6)
    report.row(SECTION, f"{kind}: process start to listening", listening_ms, "ms")
    report.row(SECTION, f"{kind}: process start to leading, released Lease", leading_ms, "ms")
    if kind == "baton":
        report.goal(SECTION, "ms from process start to leading on a released Lease, worst",
                    max(leading_ms), START_MS, ratio=False)
    return percentiles(leading_ms, 0.5, 1)


def wait_ns(condition, candidate):
    """When it became true, asked every half a millisecond."""
    deadline_ns = now_ns() + int(60e9)
    while not condition():
        if now_ns() > deadline_ns:
            raise BenchError(f"{candidate.name} neither listens nor leads after 60 s")
        time.sleep(0.0005)
    return now_ns()


def release(candidate):
    """Ends it in good order: both kinds release the Lease."""
    if candidate.kind == "baton":
        resign(candidate)
    candidate.terminate()
    candidate.process.wait(timeout=30)
