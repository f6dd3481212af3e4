"""What the tests of the recipes share."""
import re
import unittest

from servers import ROOT
from stores import BAD_TOKENS

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, state text); INSERT INTO orders VALUES (7, 'new');"


def blocks(page, tag):
    return re.findall(rf"^```{tag}\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)


class Recipe(unittest.TestCase):
    """A store that has taken 41; the subclass says how to try and what it holds now."""

    def refused(self, reason, attempt):
        """It raises, with the reason, and the store is as before."""
        before = self.state()
        with self.assertRaisesRegex(Exception, f"(?i){reason}"):
            attempt()
        self.assertEqual(before, self.state())

    def check_bad_tokens(self, write):
        for what, token in BAD_TOKENS.items():
            with self.subTest(what):
                self.refused("not a fencing token", lambda token=token: write(token))
        self.refused("stale .*40.*41", lambda: write("40"))
        before = self.state()
        write("41")
        self.assertNotEqual(before, self.state())
        write("999999999999999999")  # the largest that baton gives
        self.refused("stale", lambda: write("999999999999999998"))
