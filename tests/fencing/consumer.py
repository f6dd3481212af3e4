"""The consumer of two queues (Redis lists) whose effects go to one SQLite file: `fenced` through
examples/fencing/queue/consumer.py, `twin` without a check. It answers each message, or leaves it with
the dead letters. usage: consumer.py REDIS_SOCKET DATABASE"""
import json
import pathlib
import sqlite3
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "examples/fencing" / name) for name in ("queue", "sqlite")]
import consumer  # noqa: E402
import fence  # noqa: E402
from resp import Redis  # noqa: E402


def serve(address, path):
    redis = Redis(address)
    database = sqlite3.connect(path, isolation_level=None)
    while True:
        taken = redis.call("BLPOP", "queue:fenced", "queue:twin", 0)
        kind, message = taken[0].decode().partition(":")[2], json.loads(taken[1])

        def effect(connection):
            if message["body"]:  # a seal has none
                connection.execute(f"INSERT INTO {kind}_journal (token, count) VALUES (?, ?)",
                                   message["body"])

        answer = {"taken": True}
        if kind == "twin":
            effect(database)
        else:
            try:
                consumer.take(database, message["headers"], message["id"], effect)
            except fence.Refused as refused:
                answer = {"refused": str(refused), "highest": refused.highest}
                redis.call("RPUSH", "dead-letters", json.dumps({**message, **answer}))
        redis.call("RPUSH", f"answer:{message['id']}", json.dumps(answer))
        redis.call("EXPIRE", f"answer:{message['id']}", 600)


if __name__ == "__main__":
    serve(*sys.argv[1:])
