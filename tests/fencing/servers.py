"""Real servers for the recipes, each in a folder of its own under stage.WORK: started here, ended by
close(). What insists on being no root runs as Debian's user `postgres`."""
import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/examples"))
import stage  # noqa: E402
from resp import Redis, RedisError  # noqa: E402

RECIPES = ROOT / "examples/fencing"
TESTS = ROOT / "tests/fencing"
SCOPE = "shop/orders"
stage.WORK.chmod(0o711)  # other users pass through it to their own folders


def until(what, condition, timeout_s=120):
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s} s: {what}")
        time.sleep(0.02)
    return value


def make_folder(name):
    """A new one; names of Unix sockets in it stay short."""
    count = 0
    while (folder := stage.WORK / f"{name}{count or ''}").exists():
        count += 1
    folder.mkdir()
    return folder


def is_open(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A process that `is_ready()` at some time after its start."""

    stop_signal = signal.SIGTERM
    process = None

    def start(self, words, user=None, **variables):
        if user and os.getuid() == 0:
            words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--pdeathsig",
                     self.stop_signal.name[3:], "--", *words]
        self.process = stage.start(words, self.folder / "log", **variables)
        until(f"{words[-1]} is up", self.is_up)

    def is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"it ended at once: {(self.folder / 'log').read_text()}")
        return self.is_ready()

    def close(self):
        self.process.send_signal(self.stop_signal)
        self.process.wait(timeout=60)


class PostgreSQL(Server):
    """With the recipe's fence, the role `writer`, and room for other tables in its hands."""

    stop_signal = signal.SIGQUIT  # immediate, its children too

    def __init__(self, host=None, port=5432):
        """Reached by its socket if no host is named."""
        import psycopg2  # of Debian's python3-psycopg2; the other stores do without
        self.driver = psycopg2
        self.folder = make_folder("pg")
        self.host, self.port = host or self.folder, port
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda f: int(f.split("/")[4]))
        self.programs = pathlib.Path(folders[-1])
        words = [self.programs / "initdb", "--pgdata", self.folder / "data", "--auth=trust",
                 "--username=owner", "--no-sync", "--locale=C", "--encoding=UTF8"]
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
            words = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *words]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd="/")
        self.start([self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder,
                    "-c", f"listen_addresses={host or ''}", "-c", f"port={port}", "-c", "max_connections=80"], "postgres")

    def is_ready(self):
        try:
            self.connect("owner").close()
            return True
        except self.driver.OperationalError:
            return False

    def address(self, user, port=None):
        return f"host={self.host} port={port or self.port} user={user} dbname=postgres"

    def connect(self, user, port=None):
        connection = self.driver.connect(self.address(user, port))
        connection.autocommit = True
        return connection

    def run(self, sql, user="owner"):
        connection = self.connect(user)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def set_up(self):
        self.run("CREATE ROLE writer LOGIN")
        self.run((RECIPES / "postgresql/fence.sql").read_text())
        self.run(f"INSERT INTO fence.fences (scope) VALUES ('{SCOPE}')")
        return self


class Pooler(Server):
    """pgbouncer before it in transaction mode: a transaction is all that a client keeps of a session."""

    stop_signal = signal.SIGINT

    def __init__(self, postgresql, size):
        self.folder, self.postgresql = make_folder("pool"), postgresql
        (self.folder / "users").write_text('"writer" ""\n')
        (self.folder / "ini").write_text(f"""\
[databases]
* = host={postgresql.folder}
[pgbouncer]
unix_socket_dir = {postgresql.folder}
listen_port = 6432
auth_type = trust
auth_file = {self.folder}/users
pool_mode = transaction
default_pool_size = {size}
""")
        self.start(["/usr/sbin/pgbouncer", self.folder / "ini"], "postgres")

    def is_ready(self):
        try:
            self.postgresql.connect("writer", 6432).close()
            return True
        except self.postgresql.driver.OperationalError:
            return False


class RedisServer(Server):
    def __init__(self):
        self.folder = make_folder("redis")
        self.address = self.folder / "socket"
        self.start(["redis-server", "--port", "0", "--unixsocket", self.address, "--dir", self.folder,
                    "--appendonly", "yes", "--maxmemory-policy", "noeviction"])

    def is_ready(self):
        try:
            return self.call("PING") == b"PONG"
        except (OSError, RedisError):  # not there yet, or loading
            return False

    def call(self, *words):
        client = Redis(self.address)
        try:
            return client.call(*words)
        finally:
            client.close()

    def set_up(self):
        self.call("FUNCTION", "LOAD", (RECIPES / "redis/fence.lua").read_text())
        self.call("SET", f"fence:{{{SCOPE}}}", 0, "NX")
        return self


class Bucket(Server):
    def __init__(self):
        self.folder = make_folder("bucket")
        self.start([sys.executable, TESTS / "object_server.py"])
        self.address = f"http://127.0.0.1:{(self.folder / 'log').read_text().strip()}"

    def is_ready(self):
        return (self.folder / "log").read_text().endswith("\n")


class HttpService(Server):
    """A service behind the middleware of one language."""

    LANGUAGES = ["python", "go", "java", "node"]

    def __init__(self, language):
        self.folder, self.language = make_folder(language), language
        (self.folder / "fence").write_text("0\n")
        self.program = getattr(self, f"build_{language}")()
        self.launch()

    def launch(self):
        self.port = stage.free_port()
        self.address = f"{self.folder}:{self.port}"
        self.start([*self.program, self.folder, self.port])

    def is_ready(self):
        return is_open(self.port)

    @staticmethod
    def missing(language):
        """The program that this machine lacks for it, or None."""
        need = {"python": "python3", "java": "javac"}.get(language, language)
        return None if shutil.which(need) else need

    def build_python(self):
        return [sys.executable, TESTS / "http/server.py"]

    def build_node(self):
        return ["node", TESTS / "http/server.mjs"]

    def build_java(self):
        sources = [RECIPES / "http/Fence.java", TESTS / "http/Server.java"]
        subprocess.run(["javac", "-Xlint:all", "-Werror", "-d", self.folder, *sources], check=True)
        return ["java", "-XX:-UsePerfData", "-cp", self.folder, "Server"]

    def build_go(self):
        (self.folder / "go/fence").mkdir(parents=True)
        shutil.copy(RECIPES / "http/fence.go", self.folder / "go/fence")
        shutil.copy(TESTS / "http/main.go", self.folder / "go")
        (self.folder / "go/go.mod").write_text("module server\n\ngo 1.20\n")
        subprocess.run(["go", "build", "-o", self.folder / "server", "."], check=True,
                       cwd=self.folder / "go", env={**os.environ, "GOFLAGS": "-mod=mod"})
        return [self.folder / "server"]


class Consumer(Server):
    """Of the queues in a Redis, into a SQLite file."""

    def __init__(self, redis, database):
        self.folder = make_folder("consumer")
        self.start([sys.executable, TESTS / "consumer.py", redis.address, database])

    def is_ready(self):
        return True


class Gateway(Server):
    """`baton fence` before the service of a URL; more options as words."""

    def __init__(self, upstream, *options, program=stage.BATON):
        self.folder, self.upstream, self.options = make_folder("gate"), upstream, options
        self.state = self.folder / "state"
        self.port, self.probes = stage.free_port(), stage.free_port()
        self.initialise("--initialise")
        self.launch(program)

    def words(self, *more):
        return ["fence", f"--scopes={SCOPE},shop/billing", f"--state={self.state}", *more]

    def initialise(self, *more):
        subprocess.run([stage.BATON, *self.words(*more)], check=True, timeout=60)

    def launch(self, program=stage.BATON, **variables):
        words = self.words(f"--upstream={self.upstream}", *self.options, f"--listen=127.0.0.1:{self.port}",
                           f"--probe-address=127.0.0.1:{self.probes}")
        self.start([program, *words], **variables)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.kill()
        self.launch()

    def is_ready(self):
        return is_open(self.probes) and is_open(self.port)


class GatedService(HttpService):
    """A service that checks nothing, behind a gateway."""

    def __init__(self):
        super().__init__("python")
        self.gateway = Gateway(f"http://127.0.0.1:{self.port}")
        self.address = f"{self.folder}:{self.port}:{self.gateway.port}"

    def close(self):
        self.gateway.close()
        super().close()
