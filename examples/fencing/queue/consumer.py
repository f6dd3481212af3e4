"""A queue's consumer that fences: the highest token lies in the consumer's database and is checked in
the transaction of the effect. Here that is SQLite (../sqlite/fence.py); with PostgreSQL call
fence.pass() in its place."""
import fence

CREATE = "CREATE TABLE taken (message TEXT PRIMARY KEY) WITHOUT ROWID"


def only(headers, name):
    """The one value of a header. Which of two would count is anybody's guess: refused."""
    values = [value for key, value in headers if key.lower() == name.lower()]
    if len(values) != 1:
        raise fence.Refused(f"{len(values)} headers {name}: there must be one")
    return values[0]


def take(connection, headers, message, effect):
    """Does effect(connection) once per message id, or raises fence.Refused: nothing was written.

    Acknowledge after either; a refused one goes to the dead letters, with the reason."""
    token, scope = only(headers, "Baton-Fencing-Token"), only(headers, "Baton-Fencing-Scope")
    with fence.fenced(connection, scope, token):
        is_new = connection.execute("INSERT OR IGNORE INTO taken VALUES (?)", (message,)).rowcount
        if is_new:
            effect(connection)
