"""Which of the chart's alerts fire: a Prometheus on e2e/cluster's node, with the chart's rules for the rehearsal."""
import json
import math
import subprocess
import textwrap
import threading
import urllib.parse
import urllib.request

import pods

URL = "http://127.0.0.1:9090"  # in the node's own network
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def rules(namespace, election, settings):
    """The `spec` of the chart's PrometheusRule, which is what Prometheus itself reads."""
    values = {"baton.election": election, "baton.settings": settings, "baton.prometheusRule.enabled": True}
    words = [word for key, value in values.items() for word in ("--set-json", f"{key}={json.dumps(value)}")]
    rendered = pods.helm("template", election, pods.WORK / "charts/baton", "--namespace", namespace, *words).stdout
    rule = next(each for each in rendered.split("\n---\n") if "\nkind: PrometheusRule\n" in each)
    return textwrap.dedent(rule.partition("\nspec:\n")[2])


class Alerts:
    def __init__(self, namespace, election, settings):
        self.folder, self.namespace, self.ended = pods.WORK / "prometheus", namespace, threading.Event()
        self.folder.mkdir()
        self.write("targets.json", "[]")
        self.write("rules.yaml", rules(namespace, election, settings))
        self.write("prometheus.yaml", json.dumps({  # JSON is YAML
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"], "scrape_configs": [{"job_name": "baton", "file_sd_configs": [
                {"files": ["targets.json"], "refresh_interval": "1s"}]}]}))
        with open(self.folder / "log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "prometheus", f"--config.file={self.folder}/prometheus.yaml",
                 f"--storage.tsdb.path={self.folder}/data", f"--web.listen-address={URL.removeprefix('http://')}"],
                stdout=log, stderr=log)
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()
        pods.wait_for("Prometheus scrapes every Pod", lambda: self.query("count(baton_is_leader)") == 3, 60)

    def write(self, name, text):
        """Whole, whoever reads it meanwhile."""
        (self.folder / "new").write_text(text)
        (self.folder / "new").rename(self.folder / name)

    def follow(self):
        """Debian's Prometheus does not ask Kubernetes where the Pods are."""
        while not self.ended.wait(1):
            answer = pods.kubectl("get", "pods", "--namespace", self.namespace, "-l", "app=worker", "-o", "json",
                                  "--request-timeout=2s", check=False)
            if answer.returncode:
                continue  # the API server is what fails here: those that were there
            self.write("targets.json", json.dumps([
                {"targets": [f"{pod['status']['podIP']}:4041"], "labels": {"pod": pod["metadata"]["name"]}}
                for pod in json.loads(answer.stdout)["items"] if pod["status"].get("podIP")]))

    def get(self, **parameters):
        try:
            with DIRECT.open(f"{URL}/api/v1/query?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:  # it is not up yet
            return []

    def query(self, expression):
        return sum(float(each["value"][1]) for each in self.get(query=expression))

    def fired(self, begin_ns, end_ns):
        """The names of those that began to fire between two times of the node's CLOCK_BOOTTIME."""
        def firing(time_ns, seconds):
            found = self.get(query=f'max_over_time(ALERTS{{alertstate="firing"}}[{seconds}s])',
                             time=(pods.booted_ns() + time_ns) / 1e9)
            return {tuple(sorted(each["metric"].items())) for each in found}
        before, until_end = firing(begin_ns, 2), firing(end_ns, math.ceil((end_ns - begin_ns) / 1e9))
        return sorted({dict(each)["alertname"] for each in until_end - before})

    def stop(self):
        self.ended.set()
        self.thread.join()
        self.process.terminate()
        self.process.wait()
