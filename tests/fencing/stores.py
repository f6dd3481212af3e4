"""One way to speak to each store: a counter that one leader at a time counts up, written through the
recipe (`fenced`) and by the same write without its check (`twin`). Each keeps a journal of what it has
taken: (token, count) in the order of the effects."""
import contextlib
import http.client
import json
import socket
import sqlite3
import sys
import urllib.error
import urllib.request
import uuid

from resp import Redis, RedisError
from servers import RECIPES, SCOPE

sys.path[:0] = [str(RECIPES / name) for name in ("sqlite", "queue", "object-storage")]
import consumer  # noqa: E402
import fence  # noqa: E402
import fenced as objects  # noqa: E402

KINDS = ("fenced", "twin")

# What is no token; none of them may reach a store's memory.
BAD_TOKENS = {"zero": "0", "negative": "-1", "2^63": str(2**63), "10^18": str(10**18), "text": "forty",
              "plus": "+42", "leading zero": "042", "blank": " 42", "line break": "42\n", "fraction": "42.0",
              "exponent": "1e3", "other digits": "\u0664\u0662", "empty": "", "a quote": "42'"}


class Stale(Exception):
    """The store refused the token: args[0] is the highest that it has seen."""


class Lost(Exception):
    """Who can tell whether it was written? connect() and try again."""


class Store:
    def __init__(self, address, key=0):
        self.address, self.key = address, key
        self.connect()

    def connect(self):
        pass


@contextlib.contextmanager
def refusals_of(module):
    try:
        yield
    except module.Refused as refused:
        if refused.highest is None:
            raise
        raise Stale(refused.highest) from None


class PostgreSQL(Store):
    """`address` is a connection string."""

    SCHEMA = """
        CREATE TABLE {0}_state (key int PRIMARY KEY, count bigint NOT NULL);
        INSERT INTO {0}_state SELECT key, 0 FROM generate_series(0, 7) AS key;
        CREATE TABLE {0}_journal (id bigserial PRIMARY KEY, key int, token bigint, count bigint);
        GRANT SELECT, UPDATE ON {0}_state TO writer;
        GRANT SELECT, INSERT ON {0}_journal TO writer;
        GRANT USAGE ON SEQUENCE {0}_journal_id_seq TO writer;
        """
    GUARD = f"""
        CREATE TRIGGER fenced BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON fenced_state
          FOR EACH STATEMENT EXECUTE FUNCTION fence.guard('{SCOPE}');
        """

    @classmethod
    def create(cls, server):
        for kind in KINDS:
            server.run(cls.SCHEMA.format(kind))
        server.run(cls.GUARD)

    def connect(self):
        import psycopg2
        self.driver = psycopg2
        with self.losses():
            self.connection = psycopg2.connect(self.address)

    @contextlib.contextmanager
    def losses(self):
        try:
            yield
        except self.driver.Error as error:
            if error.pgcode == "ZB409":
                raise Stale(int(error.diag.message_detail)) from None
            raise Lost(str(error)) from None

    @contextlib.contextmanager
    def transaction(self):
        with self.losses(), self.connection, self.connection.cursor() as cursor:
            yield cursor

    def seal(self, token):
        with self.transaction() as cursor:
            cursor.execute("CALL fence.pass(%s, %s)", (SCOPE, str(token)))

    def read(self, kind):
        with self.transaction() as cursor:
            cursor.execute(f"SELECT count FROM {kind}_state WHERE key = %s", (self.key,))
            return cursor.fetchone()[0]

    def write(self, kind, token, count, middle):
        with self.transaction() as cursor:
            if kind == "fenced":
                cursor.execute("CALL fence.pass(%s, %s)", (SCOPE, str(token)))
            else:  # its only other part: else the twin's stopped leader would hold its row for ever
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '2s'")
            cursor.execute(f"UPDATE {kind}_state SET count = %s WHERE key = %s", (count, self.key))
            middle()
            cursor.execute(f"INSERT INTO {kind}_journal (key, token, count) VALUES (%s, %s, %s)",
                           (self.key, token, count))

    def journal(self, kind):
        with self.transaction() as cursor:
            cursor.execute(f"SELECT token, count, key FROM {kind}_journal ORDER BY id")
            return cursor.fetchall()


class RedisStore(Store):
    """`address` is a Unix socket. A journal is a list, whose last element is the state."""

    def connect(self):
        with self.losses():
            self.redis = Redis(self.address)

    @contextlib.contextmanager
    def losses(self):
        try:
            yield
        except RedisError as error:
            if not str(error).startswith("STALE "):
                raise
            raise Stale(int(str(error).rsplit(" ", 1)[1])) from None
        except OSError as error:
            raise Lost(str(error)) from None

    def key_of(self, kind):
        return f"{{{SCOPE}}}:{kind}"

    def seal(self, token):
        with self.losses():
            self.redis.call("FCALL", "fenced", 1, f"fence:{{{SCOPE}}}", token)

    def read(self, kind):
        with self.losses():
            last = self.redis.call("LRANGE", self.key_of(kind), -1, -1)
        return int(last[0].split()[1]) if last else 0

    def write(self, kind, token, count, middle):
        words = ["RPUSH", self.key_of(kind), f"{token} {count}"]
        if kind == "fenced":
            words = ["FCALL", "fenced", 2, f"fence:{{{SCOPE}}}", words[1], token, words[0], words[2]]
        with self.losses():
            self.redis.call(*words, middle=middle)

    def journal(self, kind):
        taken = self.redis.call("LRANGE", self.key_of(kind), 0, -1)
        return [tuple(map(int, entry.split())) + (0,) for entry in taken]


class SQLite(Store):
    """`address` is a file."""

    @staticmethod
    def create(path):
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        fence.create(connection, SCOPE)
        connection.execute(consumer.CREATE)
        for kind in KINDS:
            connection.execute(f"CREATE TABLE {kind}_journal"
                               " (id INTEGER PRIMARY KEY, token INTEGER, count INTEGER)")
        connection.close()

    def connect(self):
        self.database = sqlite3.connect(self.address, isolation_level=None, timeout=600)

    def seal(self, token):
        with refusals_of(fence), fence.fenced(self.database, SCOPE, token):
            pass

    def read(self, kind):
        last = self.database.execute(f"SELECT count FROM {kind}_journal ORDER BY id DESC LIMIT 1")
        return (last.fetchone() or [0])[0]

    def insert(self, kind, token, count):
        self.database.execute(f"INSERT INTO {kind}_journal (token, count) VALUES (?, ?)",
                              (int(token), count))

    def write(self, kind, token, count, middle):
        middle()  # before its transaction: who is stopped within keeps the whole file
        if kind == "twin":
            self.insert(kind, token, count)
            return
        with refusals_of(fence), fence.fenced(self.database, SCOPE, token):
            self.insert(kind, token, count)

    def journal(self, kind):
        return self.database.execute(f"SELECT token, count, 0 FROM {kind}_journal ORDER BY id").fetchall()


class Queue(SQLite):
    """`address` is `SOCKET:FILE`: a Redis whose lists are the queues, and the consumer's database."""

    def connect(self):
        socket, _, path = str(self.address).partition(":")
        self.database = sqlite3.connect(path, isolation_level=None, timeout=600)
        try:
            self.redis = Redis(socket)
        except OSError as error:
            raise Lost(str(error)) from None

    def send(self, kind, token, body, middle=None):
        message = str(uuid.uuid4())
        text = json.dumps({"id": message, "body": body, "headers": [
            ["Baton-Fencing-Token", token], ["Baton-Fencing-Scope", SCOPE]]})
        try:
            self.redis.call("RPUSH", f"queue:{kind}", text, middle=middle)
            answer = json.loads(self.redis.call("BLPOP", f"answer:{message}", 120)[1])
        except OSError as error:
            raise Lost(str(error)) from None
        if answer.get("highest") is not None:
            raise Stale(answer["highest"])

    def seal(self, token):
        self.send("fenced", token, None)

    def write(self, kind, token, count, middle):
        self.send(kind, token, [int(token), count], middle)


class Http(Store):
    """`address` is `FOLDER:PORT`. Its state is the last line of the journal in the folder."""

    def connect(self):
        self.folder, _, self.port = str(self.address).rpartition(":")

    def where(self, kind):
        return self.port, f"/{kind}"

    def post(self, kind, token, body, middle, operation="seal"):
        port, path = self.where(kind)
        client = http.client.HTTPConnection("127.0.0.1", int(port), timeout=600)
        try:
            client.putrequest("POST", path)
            for name, value in [("Baton-Fencing-Token", token), ("Baton-Fencing-Scope", SCOPE),
                                ("Idempotency-Key", f"{token}:{operation}"), ("Content-Length", len(body))]:
                client.putheader(name, str(value))
            client.endheaders(body[:len(body) // 2])
            middle()
            client.send(body[len(body) // 2:])
            answer = client.getresponse()
            reason = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise Lost(str(error)) from None
        finally:
            client.close()
        if answer.status == 409:
            raise Stale(int(answer.headers["Baton-Highest-Token"]))
        if answer.status in (502, 503):
            raise Lost(reason)
        if answer.status != 200:
            raise RuntimeError(reason)

    def seal(self, token):
        self.post("fenced", token, b"", lambda: None)

    def read(self, kind):
        return (self.journal(kind) or [(0, 0, 0)])[-1][1]

    def write(self, kind, token, count, middle):
        self.post(kind, token, f"{token} {count}\n".encode(), middle, count)

    def journal(self, kind):
        try:
            with open(f"{self.folder}/{kind}.journal") as lines:
                return [tuple(map(int, line.split())) + (0,) for line in lines]
        except FileNotFoundError:
            return []


class Gateway(Http):
    """`address` is `FOLDER:PORT:GATEWAY_PORT`. The twin goes to the service itself."""

    def connect(self):
        address, _, self.gateway = str(self.address).rpartition(":")
        self.folder, _, self.port = address.rpartition(":")
        try:  # it may just have been killed
            socket.create_connection(("127.0.0.1", int(self.gateway)), timeout=60).close()
        except OSError as error:
            raise Lost(str(error)) from None

    def where(self, kind):
        return (self.gateway, "/open") if kind == "fenced" else (self.port, "/twin")


class ObjectStorage(Store):
    """`address` is the bucket's URL."""

    @staticmethod
    def create(address):
        objects.create(f"{address}/fenced", SCOPE, {"token": 0, "count": 0})
        objects.put(f"{address}/twin", json.dumps({"state": {"token": 0, "count": 0}}).encode())

    def connect(self):
        self.leader, self.middle = None, lambda: None

    def put(self, url, body, **conditions):
        """As objects.put, with a pause while the body is sent."""
        def halves():
            yield body[:len(body) // 2]
            self.middle()
            yield body[len(body) // 2:]
        return objects.put(url, halves(), Content_Length=str(len(body)), **conditions)

    @contextlib.contextmanager
    def losses(self):
        try:
            with refusals_of(objects):
                yield
        except urllib.error.HTTPError:
            raise
        except OSError as error:
            raise Lost(str(error)) from None

    def seal(self, token):
        self.middle = lambda: None
        with self.losses():
            self.leader = objects.Leader(f"{self.address}/fenced", SCOPE, token, self.put)

    def read(self, kind):
        with self.losses(), urllib.request.urlopen(f"{self.address}/{kind}", timeout=60) as answer:
            return json.load(answer)["state"]["count"]

    def write(self, kind, token, count, middle):
        state = {"token": int(token), "count": count}
        if kind == "fenced" and self.leader is None:
            self.seal(token)
        self.middle = middle
        with self.losses():
            if kind == "fenced":
                self.leader.write(state)
            else:
                self.put(f"{self.address}/{kind}", json.dumps({"state": state}).encode())

    def journal(self, kind):
        with urllib.request.urlopen(f"{self.address}/{kind}?versions", timeout=60) as answer:
            states = [json.loads(body)["state"] for body in json.load(answer)]
        # A seal takes the state over as it was.
        return [(now["token"], now["count"], 0) for old, now in zip(states, states[1:]) if now != old]


STORES = {"postgresql": PostgreSQL, "redis": RedisStore, "sqlite": SQLite, "queue": Queue,
          "http": Http, "gateway": Gateway, "object-storage": ObjectStorage}
