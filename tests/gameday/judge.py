"""Plays an act and judges it: by the store's record, the Lease's versions and the sidecars' logs."""
import dataclasses

import pods
from acts import D, Act
from pods import Term, now_ns, wait_for
from rehearsal import PATIENCE_S, taken

RELEASED, WAITED = "released by its holder (R4)", "waited out (R4)"


@dataclasses.dataclass
class Outcome:
    act: Act
    began_ns: int = 0
    ended_ns: int = 0
    old: Term = None
    new: Term = None
    lines: list = dataclasses.field(default_factory=list)  # of the store, in that time
    versions: list = dataclasses.field(default_factory=list)  # of the Lease
    marks: list = dataclasses.field(default_factory=list)
    lost: list = None  # why, as the old leader's sidecar says; None: it is gone
    grounds: str = ""  # of the new term
    waited_s: float = 0
    alerts: list = None  # that fired meanwhile; None: nothing asked for them
    found: list = dataclasses.field(default_factory=list)  # what contradicts
    why_not: str = ""  # it was not played

    @property
    def verdict(self):
        return "not played" if self.why_not else "FAILED" if self.found else "passed"

    @property
    def refused(self):
        return sum(line.word == "refused" for line in self.lines)

    @property
    def overs(self):
        return pods.hand_overs(taken(self.lines), self.versions)

    @property
    def leaderless_s(self):
        """From the last write of a term that was taken to the first of the next, in all."""
        return sum(over.gap for over in self.overs) / 1000


def contradictions(outcome):
    act, old, new = outcome.act, outcome.old, outcome.new
    found = pods.violations(outcome.lines, outcome.versions, act.is_fenced)
    if outcome.refused and not act.is_fenced:
        found.append(f"the store refused {outcome.refused} writes: an old leader acted after the next one had begun")
    if not pods.EXISTING:  # there the Lease's times are of other clocks than the store's
        found += [f"{over.old} released the Lease {-over.released:.0f} ms before its last write"
                  for over in outcome.overs if over.released is not None and over.released < 0]
    if new.token < old.token:
        found.append(f"token {new.token} acts after {old.token}")
    if new.token == old.token:
        if not act.may_go_on:
            found.append(f"the term of {old.token} went on")
        return found
    if act.may_go_on and not act.ends:
        found.append(f"the term of {old.token} ended")
    if outcome.lost is not None:
        found += [f"{old.pod} lost its term: {reason}" for reason in outcome.lost or ["its log does not say why"]
                  if not reason.startswith(act.ends or "nothing")]
    if outcome.grounds == RELEASED and not any(
            v.is_released and old.token <= v.token < new.token for v in outcome.versions):
        found.append(f"{new.pod} took the Lease as released, and nobody had released it")
    if outcome.grounds == WAITED and outcome.waited_s < D:
        found.append(f"{new.pod} took the Lease {outcome.waited_s:.3f} s after it had seen it change, before {D} s were over")
    return found


def play(rehearsal, act):
    if act.why_not:
        return Outcome(act, why_not=act.why_not)
    outcome = Outcome(act)
    try:
        outcome.old = rehearsal.leading()
        first_line, first_version = len(rehearsal.lines()) - 1, len(rehearsal.watch.versions) - 1  # the newest ones
        rehearsal.marks, outcome.began_ns = outcome.marks, now_ns()
        act.play(rehearsal, outcome.old)
        rehearsal.renewals(1)
        outcome.new = rehearsal.leading()
        if outcome.new.token != outcome.old.token:
            wait_for("the watch tells of the next term", lambda: rehearsal.written(outcome.new.token), PATIENCE_S)
            outcome.lost = rehearsal.lost(outcome.old)
            outcome.grounds = rehearsal.grounds(outcome.new.pod, outcome.new.token)
            outcome.waited_s = rehearsal.waited_s(outcome.new)
    except Exception as error:  # whatever went wrong is this act's; the next may still be played
        outcome.found.append(f"{type(error).__name__}: {error}")
    if outcome.old:
        outcome.lines = rehearsal.lines()[first_line:]
        outcome.versions = rehearsal.watch.versions[first_version:]
    outcome.ended_ns = now_ns()
    if rehearsal.alerts and outcome.old:
        outcome.alerts = rehearsal.alerts.fired(outcome.began_ns, outcome.ended_ns)
    if outcome.new:
        outcome.found += contradictions(outcome)
    return outcome
