"""What happened, as Markdown and as one HTML page with timelines."""
import html

import pods
from rehearsal import taken

CSS = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1c2430;--faint:#66707d;--rule:#dfe4ea;--leads:#2a7f4f;
--gap:#f3dcae;--bad:#c62f2f}
@media(prefers-color-scheme:dark){:root{--paper:#14181d;--ink:#e4e9ef;--faint:#97a2af;--rule:#2f3741;--leads:#2f9d61;
--gap:#574620;--bad:#ff7b72}}
body{background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}td,th{border-bottom:1px solid var(--rule);padding:.3em .8em .3em 0;text-align:left}
svg{width:100%;height:auto}text{font:12px ui-monospace,monospace;fill:var(--ink)}.faint{fill:var(--faint);color:var(--faint)}
.in{fill:#fff}.rule{stroke:var(--rule)}.mark{stroke:var(--faint);stroke-dasharray:3 3}.leads{fill:var(--leads)}
.gap{fill:var(--gap)}.bad{fill:var(--bad);color:var(--bad)}.refused{stroke:var(--bad);stroke-width:2}
"""
WIDTH, LEFT, LANE = 1000, 60, 26
APART_NS = 1e9  # effects further apart are two bars


def bars(lines):
    """(pod, token, first, last) of what the store took, without a longer pause."""
    found, newest = [], {}
    for line in taken(lines):
        bar = newest.get((line.pod, line.token))
        if not bar or line.time_ns - bar[3] > APART_NS:
            bar = newest[line.pod, line.token] = [line.pod, line.token, line.time_ns, line.time_ns]
            found.append(bar)
        bar[3] = line.time_ns
    return found


def lease_marks(versions):
    for before, version in zip(versions, versions[1:]):
        if version.event == "ADDED" and before.event == "DELETED":
            yield version.time_ns, "Lease made anew"
        elif version.is_released and not before.is_released:
            yield version.time_ns, f"{version.token} released"


def timeline(title, lines, marks, begin_ns, end_ns):
    """Lanes are Pods, bars their terms with the token, the shade is time without a leader."""
    rows = {pod: i for i, pod in enumerate(dict.fromkeys(line.pod for line in lines))}
    top = 20 + 15 * len(marks)
    bottom = top + LANE * len(rows)
    seconds = (end_ns - begin_ns) / 1e9

    def x(at_ns):
        return round(LEFT + (WIDTH - LEFT - 10) * min(max((at_ns - begin_ns) / (end_ns - begin_ns), 0), 1), 1)
    parts = [f'<svg viewBox="0 0 {WIDTH} {bottom + 24}" role="img"><title>{html.escape(title)}</title>']
    terms = pods.terms_of(taken(lines))
    for old, new in zip(terms, terms[1:]):
        left, right = x(old.last_ns), x(new.first_ns)
        parts.append(f'<rect class="gap" x="{left}" y="{top}" width="{max(right - left, 0):.1f}" height="{bottom - top}">'
                     f"<title>{(new.first_ns - old.last_ns) / 1e9:.2f} s without a leader</title></rect>")
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000) if seconds / step <= 12)
    for second in range(0, int(seconds) + 1, step):
        at = x(begin_ns + second * 1e9)
        parts.append(f'<path class="rule" d="M{at} {top}V{bottom}"/><text class="faint" x="{at}" y="{bottom + 16}" '
                     f'text-anchor="middle">{second} s</text>')
    for pod, row in rows.items():
        parts.append(f'<text x="0" y="{top + LANE * row + 17}">{html.escape(pod[-5:])}</text>')
    for pod, token, first, last in bars(lines):
        left, y = x(first), top + LANE * rows[pod]
        width = max(x(last) - left, 1.5)
        parts.append(f'<rect class="leads" x="{left}" y="{y + 3}" width="{width:.1f}" height="{LANE - 6}" rx="2">'
                     f"<title>{html.escape(pod)} leads with token {token}, {(last - first) / 1e9:.2f} s</title></rect>")
        if width > 9 * len(str(token)):
            parts.append(f'<text class="in" x="{left + 4}" y="{y + 17}">{token}</text>')
    for line in lines:
        if line.word == "refused":
            y = top + LANE * rows[line.pod]
            parts.append(f'<path class="refused" d="M{x(line.time_ns)} {y}v{LANE}"><title>{line.token} of '
                         f"{html.escape(line.pod)} refused</title></path>")
    for row, (at_ns, text) in enumerate(sorted(marks)):
        at, y = x(at_ns), 14 + 15 * row
        is_late = at > WIDTH - 7.5 * len(text) - 10
        parts.append(f'<path class="mark" d="M{at} {y}V{bottom}"/><text x="{at - 4 if is_late else at + 4}" y="{y}" '
                     f'text-anchor="{"end" if is_late else "start"}">{html.escape(text)}</text>')
    return "".join([*parts, "</svg>"])


def facts(outcome):
    """Sentences on what happened."""
    if outcome.why_not:
        return [f"Not played: {outcome.why_not}."]
    said = [f"{(at - outcome.began_ns) / 1e9:+.1f} s: {text}" for at, text in outcome.marks]
    if outcome.new and outcome.new.token == outcome.old.token:
        said.append(f"the term went on, token {outcome.new.token}")
    elif outcome.new:
        said.append(f"hand-overs: {len(outcome.overs)}, {outcome.leaderless_s:.2f} s without a leader in all; "
                    f"token {outcome.old.token} before, {outcome.new.token} after")
        said.append(f"why the last leader took the Lease: {outcome.grounds}, {outcome.waited_s:.3f} s after it had seen it change")
    if outcome.lost:
        said.append(f"the old leader lost its term, {'; '.join(outcome.lost)}")
    if outcome.alerts is not None:
        said.append(f"alerts that fired: {', '.join(outcome.alerts) or 'none'}")
    return said + [f"the store refused {outcome.refused} writes"]


def row(outcome):
    """Cells of the table."""
    alerts = "not asked for" if outcome.alerts is None else ", ".join(outcome.alerts)
    if not outcome.new:
        return outcome.act.name, outcome.verdict, "", "", "", "", alerts
    return (outcome.act.name, outcome.verdict, f"{outcome.leaderless_s:.2f}", str(outcome.old.token),
            str(outcome.new.token), str(outcome.refused), alerts)


LEGEND = ("A lane is a Pod, by the end of its name; a bar is its term, with the token; the shade is time without a leader; "
          "a red line is a write that the store refused. Point at them for figures.")
HEAD = ("act", "verdict", "without a leader, s", "token before", "token after", "refused writes", "alerts fired")


def markdown(title, summary, outcomes):
    def line(cells):
        return f"| {' | '.join(cells)} |"
    parts = [f"# {title}", "", "\n\n".join(summary), "", line(HEAD), line(["---"] * len(HEAD)), *(line(row(each)) for each in outcomes)]
    for each in outcomes:
        parts += ["", f"## {each.act.name}: {each.verdict}", "", f"What is done: {each.act.does}.", "",
                  f"Expected: {each.act.expects}.", "", *(f"- {fact}" for fact in facts(each)),
                  *(f"- **{found}**" for found in each.found)]
    return "\n".join([*parts, ""])


def page(title, summary, outcomes, lines):
    def tag(name, text, kind=""):
        return f"<{name}{f' class={kind}' if kind else ''}>{html.escape(text)}</{name}>"

    def kind(outcome):
        return "bad" if outcome.found else ""
    parts = ['<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
             tag("title", title), f"<style>{CSS}</style>", tag("h1", title), *(tag("p", text) for text in summary),
             "<table><tr>", *(tag("th", cell) for cell in HEAD), "</tr>"]
    for each in outcomes:
        parts += ["<tr>", *(tag("td", cell, kind(each)) for cell in row(each)), "</tr>"]
    parts.append("</table>")
    played = [each for each in outcomes if each.lines]
    if played:
        parts.append(tag("p", LEGEND))
        parts.append(timeline("all acts", lines, [(each.began_ns, each.act.name) for each in played],
                              played[0].began_ns, played[-1].ended_ns))
    for each in outcomes:
        parts += [tag("h2", f"{each.act.name}: {each.verdict}", kind(each)), tag("p", f"What is done: {each.act.does}."),
                  tag("p", f"Expected: {each.act.expects}."), "<ul>", *(tag("li", fact) for fact in facts(each)),
                  *(tag("li", found, "bad") for found in each.found), "</ul>"]
        if each.lines:
            parts.append(timeline(each.act.name, each.lines, [*each.marks, *lease_marks(each.versions)],
                                  each.began_ns, each.ended_ns))
    return "\n".join([*parts, "</html>", ""])
