"""How the benchmark of crashes keeps take-overs apart."""

import unittest

import crash


def ns(seconds):
    return int(seconds * 1e9)


class TimetableTest(unittest.TestCase):
    def setUp(self):
        self.timetable = crash.Timetable()
        self.assertTrue(self.timetable.take(ns(100), ns(90)))

    def test_takes_none_whose_lists_come_before_or_within_another_take_over(self):
        for expiry, silence in ((99.8, 80), (100, 80), (100.4, 80), (120, 99.9), (90.1, 80)):
            self.assertFalse(self.timetable.take(ns(expiry), ns(silence)), (expiry, silence))

    def test_takes_those_that_disturb_none_and_remembers_them(self):
        self.assertTrue(self.timetable.take(ns(100.7), ns(90.05)))
        self.assertTrue(self.timetable.take(ns(120), ns(100.3)))
        self.assertFalse(self.timetable.take(ns(120), ns(80)))


if __name__ == "__main__":
    unittest.main()
