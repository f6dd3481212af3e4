"""How the benchmark of the load reads what the API server says of itself."""

import json
import pathlib
import tempfile
import types
import unittest

import load

METRICS = """\
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",group="coordination.k8s.io",resource="leases",verb="PUT"} 7
apiserver_request_total{code="409",group="coordination.k8s.io",resource="leases",verb="PUT"} 2
apiserver_request_total{code="200",group="",resource="events",verb="POST",version="v1"} 11
apiserver_watch_events_total{group="coordination.k8s.io",kind="Lease",version="v1"} 1.5e+03
apiserver_request_duration_seconds_sum{resource="leases",verb="PUT"} 3.25
go_goroutines 41
"""


def update(name, code, received, verb="update"):
    return json.dumps({"verb": verb, "objectRef": {"resource": "leases", "name": name},
                       "responseStatus": {"code": code},
                       "requestReceivedTimestamp": f"1970-01-01T00:00:{received:09.6f}Z"}) + "\n"


class LoadTest(unittest.TestCase):
    def test_counts_leases_alone_and_all_codes(self):
        self.assertEqual(load.parse(METRICS), {("requests", "PUT"): 9, ("watch events", ""): 1500})

    def test_counts_the_refused_writes_of_a_lease_by_hand_over(self):
        before = update("e1", 409, 1.0)
        lines = [update("e1", 200, 2.0), update("e1", 409, 2.5), update("e2", 409, 2.5),
                 update("e1", 409, 2.6, "get"), update("e1", 409, 4.0), update("e1", 409, 6.0)]
        with tempfile.TemporaryDirectory() as folder:
            cluster = types.SimpleNamespace(dir=pathlib.Path(folder))
            (cluster.dir / "audit.log").write_text(before + "".join(lines))
            self.assertEqual(
                load.refused_writes(cluster, len(before), "e1", [(0, 3), (3, 5), (5.5, 5.9)]),
                [1, 1, 0])


if __name__ == "__main__":
    unittest.main()
