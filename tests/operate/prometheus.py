"""A real Prometheus beside real sidecars, with the chart's rules on a shorter time scale."""
import json
import math
import re
import sys
import time
import urllib.parse

import stage

sys.path.insert(0, str(stage.ROOT / "tests/charts"))
import charts  # noqa: E402

# What the rules look back on, and what it is here. `for` stays what the lease duration makes it.
RANGES = {"1h": "60s", "2h": "20s", "4h": "40s", "30m": "20s", "10m": "40s", "5m": "20s", "15s": "1s", "5s": "1s"}


def rules(election, namespace):
    """The spec of the chart's PrometheusRule for stage.TIMINGS."""
    settings = dict(word[2:].split("=") for word in stage.TIMINGS)
    charts.set_up()
    answer = charts.template(charts.CHART, "--namespace", namespace, *charts.set_values({
        "baton.election": election, "baton.settings": settings, "baton.prometheusRule.enabled": True}))
    if answer.returncode:
        sys.exit(f"tests/operate: {answer.stderr}")
    objects = [each for each in charts.yaml.safe_load_all(answer.stdout) if each]
    return charts.one(objects, "PrometheusRule")["spec"]


def scaled(text):
    return re.sub(r"(\[|:|offset )(\d+[smh])\b", lambda words: words[1] + RANGES[words[2]], text)


class Prometheus:
    def __init__(self, spec, targets):
        self.folder = stage.WORK / "prometheus"
        self.folder.mkdir()
        for group in spec["groups"]:
            for rule in group["rules"]:
                rule["expr"] = scaled(rule["expr"])
        self.alerts = {rule["alert"]: rule for group in spec["groups"] for rule in group["rules"]}
        self.scrape(targets)
        # JSON is YAML.
        self.write("rules.yaml", spec)
        self.write("prometheus.yaml", {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": "baton", "file_sd_configs": [
                {"files": ["targets.json"], "refresh_interval": "1s"}]}]})
        port = stage.free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = stage.WORK / "prometheus.log"
        self.process = stage.start(
            ["prometheus", f"--config.file={self.folder}/prometheus.yaml", f"--storage.tsdb.path={self.folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"], self.log)
        self.firing = {}  # alert: since when, on the monotonic clock
        self.cleared = {}  # alert: when, each time

    def write(self, name, what):
        (self.folder / name).write_text(json.dumps(what))

    def scrape(self, targets):
        """{pod: port}, instead of those before."""
        self.write("targets.json", [{"targets": [f"127.0.0.1:{port}"], "labels": {"pod": pod}}
                                    for pod, port in targets.items()])

    def get(self, path, **parameters):
        """The data of an answer; None if there is none."""
        status, text = stage.call("GET", f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        if status in (400, 422):
            raise AssertionError(f"{parameters}: {text}")
        return json.loads(text)["data"] if status == 200 else None

    def query(self, expression):
        """The values of its series that are numbers."""
        data = self.get("query", query=expression)
        return [number for each in (data or {}).get("result", [])
                if not math.isnan(number := float(each["value"][1]))]

    def observe(self):
        """Takes in what fires now."""
        data = self.get("alerts")
        if data is None:
            return
        now = time.monotonic()
        names = {each["labels"]["alertname"] for each in data["alerts"] if each["state"] == "firing"}
        for name in names - set(self.firing):
            self.firing[name] = now
        for name in set(self.firing) - names:
            del self.firing[name]
            self.cleared.setdefault(name, []).append(now)

    def close(self):
        stage.end(self.process)
