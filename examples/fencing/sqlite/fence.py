"""A fence for a SQLite file on one node: the file is one scope, and keeps the highest token seen."""
import contextlib
import re


class Refused(Exception):
    """Nothing was written. `highest` is the highest token seen if the one given was stale, else None."""

    def __init__(self, reason, highest=None):
        super().__init__(reason)
        self.highest = highest


def create(connection, scope):
    """Once, where the schema is made: a file without a fence refuses every write."""
    connection.execute("CREATE TABLE fence (row INTEGER PRIMARY KEY CHECK (row = 1),"
                       " scope TEXT NOT NULL, token INTEGER NOT NULL)")
    connection.execute("INSERT INTO fence VALUES (1, ?, 0)", (scope,))


@contextlib.contextmanager
def fenced(connection, scope, token):
    """A transaction whose effects commit only if no higher token has been seen.

    `connection` is in autocommit mode (isolation_level=None). An empty body seals."""
    if not isinstance(token, str) or not re.fullmatch("[1-9][0-9]{0,17}", token, re.ASCII):
        raise Refused(f"not a fencing token: {token!r}; tokens are 1 to 999999999999999999")
    connection.execute("BEGIN IMMEDIATE")  # one writer at a time from here to the commit
    try:
        own_scope, highest = connection.execute("SELECT scope, token FROM fence").fetchone()
        if scope != own_scope:
            raise Refused(f"a token of scope {scope!r}, but this file has {own_scope!r}")
        if int(token) < highest:
            raise Refused(f"stale fencing token {token}: the highest seen is {highest}", highest)
        if int(token) > highest:
            connection.execute("UPDATE fence SET token = ?", (int(token),))
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
