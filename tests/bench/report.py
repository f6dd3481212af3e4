"""What the benchmarks found: rows of rounds, single figures, goals with their verdicts, plots.

One Report is filled by all parts of a run. It is printed as plain text, and written as the page
docs/performance.md. A section appears where it was first named.
"""

import math
import textwrap


def percentile(values, share):
    """By nearest rank: the smallest value that at least this share of all does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def percentiles(values, *shares):
    return [percentile(values, share) for share in shares]


def number(value):
    """Three significant digits at least, and no exponent."""
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}" if value else "0"


HEAD = """# How fast and how light is baton?

One command measures baton beside client-go, and beside the least that the API server allows, on a
real etcd and kube-apiserver, and writes this page anew; do not edit it.

<!-- not run: takes about an hour -->
```sh
tests/image/build   # what is measured of the footprint is the image's
BATON_IMAGE_ARCHIVE=build/image/baton.tar scripts/bench
```

What can be carried over to another machine are the ratios, each between two things of one run; the
figures belong to this machine. Verdicts stand as measured, also where a goal was missed.
"""


GLANCE = ("", "baton", "client-go 15/10/2")


class Report:
    def __init__(self, facts):
        """facts: (name, text) of the machine, the versions and the command, shown at the top."""
        self._facts = facts
        self._sections = {}
        self._glance = []
        self.plots = {}  # file name -> SVG

    def glance(self, what, sides, unit):
        """A line of the table that comes first. sides: the figures of baton and those of client-go
        15/10/2, of each in the order in which `what` names them."""
        self._glance.append((what, *(f"{' / '.join(map(number, side))} {unit}" for side in sides)))

    def row(self, section, name, values, unit):
        """One measured quantity over len(values) rounds."""
        figures = (min(values), percentile(values, 0.5), percentile(values, 0.99), max(values))
        self._section(section)["rows"].append(
            (f"{name}, {unit}", str(len(values)), *map(number, figures)))

    def figure(self, section, name, value, unit):
        """One number that has no rounds."""
        self._section(section)["figures"].append((name, f"{number(value)} {unit}".rstrip()))

    def goal(self, section, text, value, limit, at_most=True, ratio=True):
        """A ratio taken within this run decides the exit status; another goal depends on the
        machine and is shown with its verdict only."""
        met = value <= limit if at_most else value >= limit
        self._section(section)["goals"].append((
            text, number(value), f"{'at most' if at_most else 'at least'} {number(limit)}",
            "ok" if met else "MISSED", ratio))

    def note(self, section, text):
        """What was done, or left out. Of figures it names ratios only: the page quotes it."""
        self._section(section)["notes"].append(text)

    def plot(self, section, name, svg):
        """name: of the file, without .svg; it is also the picture's description."""
        self._section(section)["plots"].append(name)
        self.plots[f"{name}.svg"] = svg

    def exit_status(self):
        missed = any(verdict == "MISSED" and ratio
                     for section in self._sections.values()
                     for *_, verdict, ratio in section["goals"])
        return 1 if missed else 0

    def print(self):
        for name, value in self._facts:
            print(f"{name:12} {value}")
        if self._glance:
            print()
        for row in (GLANCE, *self._glance) if self._glance else ():
            print("{:62}{:>24}{:>24}".format(*row))
        for title, section in self._sections.items():
            print(f"\n{title}\n{'=' * len(title)}")
            for note in section["notes"]:
                print(textwrap.fill(note, 110))
            if section["rows"]:
                print(f"  {'':62}{'rounds':>7}{'min':>10}{'p50':>10}{'p99':>10}{'max':>10}")
            for name, rounds, *figures in section["rows"]:
                print(f"  {name:62}{rounds:>7}" + "".join(f"{one:>10}" for one in figures))
            for name, value in section["figures"]:
                print(f"  {name:84} {value}")
            for text, value, limit, verdict, ratio in section["goals"]:
                kind = "ratio" if ratio else ""
                print(f"  goal: {text:56}{value:>10}  {limit:16}{kind:7}{verdict}")

    def markdown(self):
        lines = [HEAD, *_table(GLANCE, self._glance), "## Where and when", "",
                 *_table(("", ""), self._facts), "## Goals", "",
                 "Those marked * are times or sizes on this machine; the others are ratios.", ""]
        lines += _table(("", "goal", "measured", "wanted", "verdict"), [
            (title, text + ("" if ratio else " *"), value, limit, verdict)
            for title, section in self._sections.items()
            for text, value, limit, verdict, ratio in section["goals"]])
        for title, section in self._sections.items():
            lines += [f"## {title[0].upper()}{title[1:]}", ""]
            lines += [line for note in section["notes"]
                      for line in (textwrap.fill(note, 120, break_on_hyphens=False), "")]
            lines += _table(("", "rounds", "min", "p50", "p99", "max"), section["rows"])
            lines += _table(("", "measured"), section["figures"])
            for name in section["plots"]:
                lines += [f"![{name.replace('-', ' ')}](performance/{name}.svg)", ""]
        return "\n".join(lines)

    def _section(self, title):
        return self._sections.setdefault(
            title, {"rows": [], "figures": [], "goals": [], "notes": [], "plots": []})


def _table(head, rows):
    if not rows:
        return []
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    lines.insert(1, "|---" * len(head) + "|")
    return [*lines, ""]
