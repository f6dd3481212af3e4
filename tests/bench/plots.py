"""Plots as SVG, small enough to be read as text, for light and for dark pages.

Each function returns one SVG. A label carries its unit: "time without a leader, ms".
"""

import html
import math

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 46, 50

STYLE = """
text { font: 13px sans-serif; fill: #24292f }
.title { font-weight: bold }
.axis { stroke: #57606a; fill: none }
.grid { stroke: #d0d7de; stroke-width: .6 }
.line { fill: none; stroke-width: 2 }
.s0 { color: #0969da } .s1 { color: #bc4c00 } .s2 { color: #1a7f37 }
.s3 { color: #8250df } .s4 { color: #bf3989 } .s5 { color: #6e7781 }
.line { stroke: currentColor } .fill { fill: currentColor }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .axis { stroke: #8d96a0 } .grid { stroke: #3d444d }
  .s0 { color: #4493f8 } .s1 { color: #f0883e } .s2 { color: #3fb950 }
  .s3 { color: #ab7df8 } .s4 { color: #db61a2 } .s5 { color: #9198a1 }
}
"""
COLOURS = 6


def distribution(title, series, label):
    """series: {name: values above zero}. The share of values at or below x; x is logarithmic."""
    values = [value for one in series.values() for value in one]
    plot = _Plot(title, label, "share of rounds", _Log(min(values), max(values)), _Linear(0, 1))
    for index, (name, one) in enumerate(series.items()):
        points = []
        for rank, value in enumerate(sorted(one)):
            points += [(value, rank / len(one)), (value, (rank + 1) / len(one))]
        plot.line(index, name, points)
    return plot.svg()


def lines(title, series, x_label, y_label):
    """series: {name: [(x, y), …]}, x above zero; both axes are logarithmic where every y is above
    zero, else x alone."""
    points = [point for one in series.values() for point in one]
    xs, ys = zip(*points)
    y_axis = _Log(min(ys), max(ys)) if min(ys) > 0 else _Linear(min(0, min(ys)), max(ys))
    plot = _Plot(title, x_label, y_label, _Log(min(xs), max(xs)), y_axis)
    for index, (name, one) in enumerate(series.items()):
        plot.line(index, name, one, dots=True)
    return plot.svg()


def bars(title, values, label):
    """values: {name: height}. The axis begins at zero."""
    plot = _Plot(title, "", label, _Linear(0, len(values)), _Linear(0, max(values.values())))
    plot.bars(values)
    return plot.svg()


class _Linear:
    def __init__(self, low, high):
        step = 10 ** math.floor(math.log10((high - low) or 1))
        self._step = next(step * part for part in (0.1, 0.2, 0.5, 1, 2) if
                          (high - low) / (step * part) <= 6)
        self._low = math.floor(low / self._step + 1e-9) * self._step
        self._high = math.ceil(high / self._step - 1e-9) * self._step
        if self._high == self._low:
            self._high += self._step

    def place(self, value):
        return (value - self._low) / (self._high - self._low)

    def ticks(self):
        count = round((self._high - self._low) / self._step)
        return [self._low + number * self._step for number in range(count + 1)]


class _Log:
    def __init__(self, low, high):
        """Whole steps of 1, 2, 5 around low and high."""
        marks = [mark * 10.0 ** power for power in range(-9, 13) for mark in (1, 2, 5)]
        first = max(index for index, mark in enumerate(marks) if mark <= low * (1 + 1e-9))
        last = min(index for index, mark in enumerate(marks) if mark >= high * (1 - 1e-9))
        self._marks = marks[first:max(last, first + 1) + 1]

    def place(self, value):
        low, high = math.log(self._marks[0]), math.log(self._marks[-1])
        return (math.log(value) - low) / (high - low)

    def ticks(self):
        if len(self._marks) <= 8:
            return self._marks
        return [mark for mark in self._marks if f"{mark:e}"[0] == "1"]


class _Plot:
    def __init__(self, title, x_label, y_label, x_axis, y_axis):
        self._x_axis, self._y_axis = x_axis, y_axis
        self._legend = 0
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f"<title>{html.escape(title)}</title><style>{STYLE}</style>",
            _text(LEFT, 18, title, "title")]
        for tick in y_axis.ticks():
            y = self._y(tick)
            self._parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
            self._parts.append(_text(LEFT - 6, y + 4, _tick(tick), anchor="end"))
        if x_label:
            for tick in x_axis.ticks():
                x = self._x(tick)
                self._parts.append(f'<path class="grid" d="M{x} {TOP}V{HEIGHT - BOTTOM}"/>')
                self._parts.append(_text(x, HEIGHT - BOTTOM + 18, _tick(tick), anchor="middle"))
            self._parts.append(_text(
                (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x_label, anchor="middle"))
        self._parts.append(
            f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
        middle = (TOP + HEIGHT - BOTTOM) / 2
        self._parts.append(f'<g transform="rotate(-90 16 {middle})">'
                           f'{_text(16, middle, y_label, anchor="middle")}</g>')

    def line(self, index, name, points, dots=False):
        path = " ".join(f"{self._x(x)},{self._y(y)}" for x, y in points)
        colour = f"s{index % COLOURS}"
        self._parts.append(f'<polyline class="line {colour}" points="{path}"/>')
        if dots:
            self._parts += [f'<circle class="fill {colour}" cx="{self._x(x)}" cy="{self._y(y)}"'
                            ' r="3"/>' for x, y in points]
        x = LEFT + self._legend
        self._parts.append(f'<path class="line {colour}" d="M{x} 33h18"/>')
        self._parts.append(_text(x + 23, 37, name))
        self._legend += 40 + 7 * len(name)

    def bars(self, values):
        for index, (name, value) in enumerate(values.items()):
            left, right = self._x(index + 0.2), self._x(index + 0.8)
            top, middle = self._y(value), self._x(index + 0.5)
            self._parts.append(
                f'<rect class="fill s{index % COLOURS}" x="{left}" y="{top}"'
                f' width="{right - left:.1f}" height="{HEIGHT - BOTTOM - top:.1f}"/>')
            self._parts.append(_text(middle, top - 5, _tick(value), anchor="middle"))
            self._parts.append(_text(middle, HEIGHT - BOTTOM + 18, name, anchor="middle"))

    def svg(self):
        return "\n".join([*self._parts, "</svg>", ""])

    def _x(self, value):
        return round(LEFT + self._x_axis.place(value) * (WIDTH - RIGHT - LEFT), 1)

    def _y(self, value):
        return round(HEIGHT - BOTTOM - self._y_axis.place(value) * (HEIGHT - BOTTOM - TOP), 1)


def _text(x, y, text, kind="", anchor="start"):
    return (f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">'
            f"{html.escape(text)}</text>")


def _tick(value):
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
