"""The figures, verdicts and plots of the benchmarks' report."""

import contextlib
import io
import unittest
import xml.etree.ElementTree

import plots
from report import Report, number, percentile

SVG = "{http://www.w3.org/2000/svg}"


class PercentileTest(unittest.TestCase):
    def test_is_the_nearest_rank(self):
        values = list(range(100, 0, -1))
        self.assertEqual([percentile(values, share) for share in (0, 0.5, 0.99, 1)],
                         [1, 50, 99, 100])
        self.assertEqual(percentile([3, 1, 2], 0.5), 2)
        self.assertEqual(percentile([4, 1, 2, 3], 0.5), 2)
        self.assertEqual(percentile([7], 0.99), 7)
        self.assertEqual(percentile(list(range(101)), 0.99), 99)


class NumberTest(unittest.TestCase):
    def test_keeps_three_digits(self):
        for value, text in ((0, "0"), (0.0, "0"), (0.01234, "0.0123"), (1.2345, "1.23"),
                            (99.96, "100.0"), (123.4, "123"), (123456.7, "123,457"), (7, "7"),
                            (1500, "1,500"), (-1.239, "-1.24")):
            self.assertEqual(number(value), text)


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.report = Report([("machine", "2 cores")])

    def printed(self):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            self.report.print()
        return output.getvalue()

    def test_shows_each_row_with_its_rounds(self):
        self.report.row("hand-over", "baton", [4.0, 1.0, 3.0, 2.0], "ms")
        self.assertIn("| baton, ms | 4 | 1.00 | 2.00 | 4.00 | 4.00 |", self.report.markdown())
        self.assertRegex(self.printed(), r"baton, ms +4 +1\.00 +2\.00 +4\.00 +4\.00\n")

    def test_begins_with_both_sides_at_a_glance(self):
        self.report.glance("until the next one leads: p50 / max", ([5.0, 12.5], [1200, 3100]), "ms")
        self.assertIn("| until the next one leads: p50 / max | 5.00 / 12.5 ms | 1,200 / 3,100 ms |",
                      self.report.markdown())
        self.assertRegex(self.printed(),
                         r"until the next one leads: p50 / max +5\.00 / 12\.5 ms +1,200 / 3,100 ms\n")

    def test_a_missed_ratio_decides_the_exit_status(self):
        self.report.goal("a", "as fast as the floor", 1.3, 1.3)
        self.assertEqual(self.report.exit_status(), 0)
        self.report.goal("a", "twice the peer", 1.99, 2, at_most=False)
        self.assertEqual(self.report.exit_status(), 1)
        self.assertRegex(self.printed(), r"as fast as the floor +1\.30  at most 1\.30 +ratio +ok\n")
        self.assertRegex(self.printed(), r"twice the peer +1\.99  at least 2 +ratio +MISSED\n")

    def test_another_missed_goal_is_shown_only(self):
        self.report.goal("a", "in ms", 60, 50, ratio=False)
        self.assertEqual(self.report.exit_status(), 0)
        self.assertIn("| a | in ms * | 60 | at most 50 | MISSED |", self.report.markdown())

    def test_sections_stand_in_order_with_all_they_have(self):
        self.report.note("first", "What was done.")
        self.report.figure("second", "size", 8, "MiB")
        self.report.plot("first", "hand-over", "<svg/>")
        page = self.report.markdown()
        positions = [page.index(part) for part in (
            "| machine | 2 cores |", "## First", "What was done.",
            "![hand over](performance/hand-over.svg)", "## Second", "| size | 8 MiB |")]
        self.assertEqual(positions, sorted(positions))
        self.assertEqual(self.report.plots, {"hand-over.svg": "<svg/>"})


class PlotsTest(unittest.TestCase):
    def points(self, svg):
        """The corners of each line."""
        return [[tuple(map(float, corner.split(","))) for corner in line.get("points").split()]
                for line in xml.etree.ElementTree.fromstring(svg).iter(f"{SVG}polyline")]

    def texts(self, svg):
        return [text.text for text in xml.etree.ElementTree.fromstring(svg).iter(f"{SVG}text")]

    def test_a_distribution_rises_from_none_to_all(self):
        svg = plots.distribution("times", {"a & b": [10, 1, 100], "c": [5]}, "time, ms")
        words = {"times", "a & b", "c", "time, ms", "1", "10", "100"}
        self.assertTrue(words <= set(self.texts(svg)))
        line, _ = self.points(svg)
        self.assertEqual(line, sorted(line, key=lambda point: (point[0], -point[1])))
        self.assertEqual(line[0], (plots.LEFT, plots.HEIGHT - plots.BOTTOM))
        self.assertEqual(line[-1], (plots.WIDTH - plots.RIGHT, plots.TOP))
        self.assertEqual(line[2][0], (line[0][0] + line[-1][0]) / 2)  # 10 between 1 and 100

    def test_lines_keep_their_order_in_both_axes(self):
        svg = plots.lines("load", {"baton": [(3, 0.2), (300, 20)]}, "candidates", "requests/s")
        [(low, high)] = self.points(svg)
        self.assertLess(low[0], high[0])
        self.assertGreater(low[1], high[1])
        svg = plots.lines("load", {"baton": [(3, 0), (30, 5)]}, "candidates", "reads/s")
        self.assertEqual(self.points(svg)[0][0][1], plots.HEIGHT - plots.BOTTOM)

    def test_bars_are_in_proportion(self):
        svg = plots.bars("memory", {"baton": 8, "client-go": 24}, "MiB")
        heights = [float(bar.get("height"))
                   for bar in xml.etree.ElementTree.fromstring(svg).iter(f"{SVG}rect")]
        self.assertAlmostEqual(heights[1] / heights[0], 3, places=2)
        self.assertTrue({"baton", "client-go", "8", "24", "MiB"} <= set(self.texts(svg)))

    def test_one_value_and_equal_values_have_a_place_too(self):
        for svg in (plots.distribution("t", {"a": [7, 7]}, "x"),
                    plots.lines("t", {"a": [(1, 0)]}, "x", "y"), plots.bars("t", {"a": 0}, "y")):
            self.assertNotIn("nan", svg)


if __name__ == "__main__":
    unittest.main()
