"""A headless Chromium, driven by chromedriver over plain HTTP (W3C WebDriver and DevTools)."""
import base64
import json
import time

import stage
from stage import WORK, call, free_port

ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--window-size=1000,1000"]


class Browser:
    def __init__(self):
        port, log = free_port(), WORK / "chromedriver.log"
        self.url = f"http://127.0.0.1:{port}"
        self.process = stage.start(["chromedriver", f"--port={port}"], log, TMPDIR=str(WORK))
        deadline = time.monotonic() + 60
        while call("GET", f"{self.url}/status")[0] != 200:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no chromedriver: {log.read_text()}")
            time.sleep(0.05)
        wanted = {"browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                  "goog:chromeOptions": {"args": [*ARGUMENTS, f"--user-data-dir={WORK}/profile"]}}
        self.session = ""
        self.session = "/session/" + self.ask("POST", "/session", capabilities={"alwaysMatch": wanted})["sessionId"]
        self.heard = []  # network()

    def ask(self, method, path, **body):
        status, text = call(method, self.url + self.session + path if path != "/session" else self.url + path,
                            json.dumps(body) if method == "POST" else None)
        assert status == 200, (path, body, text)
        return json.loads(text)["value"]

    def open(self, url):
        self.network()
        self.console()
        self.heard.clear()
        self.ask("POST", "/url", url=url)

    def run(self, script, *arguments):
        return self.ask("POST", "/execute/sync", script=script, args=list(arguments))

    def tell(self, command, **parameters):
        """A DevTools command."""
        return self.ask("POST", "/goog/cdp/execute", cmd=command, params=parameters)

    def console(self):
        """What it has complained of since the last call."""
        return [line["message"] for line in self.ask("POST", "/se/log", type="browser")]

    def network(self):
        """(method, parameters) of each of DevTools' events since the page was opened."""
        for line in self.ask("POST", "/se/log", type="performance"):
            event = json.loads(line["message"])["message"]
            self.heard.append((event["method"], event["params"]))
        return self.heard

    def network_of(self, url, wanted):
        """The parameters of the events `wanted` that belong to requests for this."""
        events = self.network()
        requests = {parameters["requestId"] for method, parameters in events
                    if method == "Network.requestWillBeSent" and parameters["request"]["url"] == url}
        return [parameters for method, parameters in events
                if method == wanted and parameters["requestId"] in requests]

    def sent(self, url):
        """The headers, as they went out, of the requests for this."""
        return [{name.lower(): value for name, value in parameters["headers"].items()}
                for parameters in self.network_of(url, "Network.requestWillBeSentExtraInfo")]

    def answered(self, url):
        """The statuses of the answers to the requests for this."""
        return [parameters["statusCode"] for parameters in self.network_of(url, "Network.responseReceivedExtraInfo")]

    def prefer(self, **features):
        """prefer(color_scheme="dark"): what media queries are answered."""
        self.tell("Emulation.setEmulatedMedia", features=[
            {"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()])

    def resize(self, width, height):
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))

    def close(self):
        if self.session:
            call("DELETE", self.url + self.session)
        stage.end(self.process)
