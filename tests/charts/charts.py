"""The charts in a folder of their own with their dependencies beside them, and helm upon them."""
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".cache/e2e/bin"
BATON = Path(os.environ.get("BATON_PROGRAM", ROOT / "build/release/baton"))
VERSION = re.search(r"project\(baton VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
WORK = Path(tempfile.mkdtemp())
CHART, LIBRARY = WORK / "charts/baton", WORK / "charts/baton-lib"
WORKER = WORK / "tests/charts/worker"  # a user's chart with the library

ELECTION = ["--set", "baton.election=worker"]
BY_SLICE, BY_LABEL = ([
    "--set", f"baton.leaderService.by={by}", "--set-json",
    'baton.leaderService.ports=[{"name": "http", "port": 80, "targetPort": 8080}]']
    for by in ("endpointslice", "label"))
POLICIES = ["--set", "guard.enabled=true", "--set", "injection.enabled=true"]


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)


def helm(*arguments, **variables):
    # An own home: what its owner has configured must not matter.
    return run(BIN / "helm", *arguments,
               env={"HOME": str(WORK), "PATH": os.environ["PATH"], **variables})


def set_up():
    for name in ("charts", "tests/charts/worker"):
        shutil.copytree(ROOT / name, WORK / name, ignore=shutil.ignore_patterns("*.tgz", "*.lock"))
    for chart in (CHART, WORKER):
        answer = helm("dependency", "build", chart)
        if answer.returncode:
            sys.exit(f"tests/charts: {answer.stderr}")


def template(chart, *arguments, kubernetes="1.36.3"):
    return helm("template", "release", chart, "--namespace", "shop", "--kube-version", kubernetes,
                *arguments)


def set_values(values):
    return list(itertools.chain(*(("--set-json", f"{key}={json.dumps(value)}")
                                  for key, value in values.items())))


def kustomize(folder):
    """(what it says on stderr, the objects)"""
    answer = run(BIN / "kustomize", "build", ROOT / folder)
    return answer.stderr, [each for each in yaml.safe_load_all(answer.stdout) if each]


def one(objects, kinds, name=None):
    kinds = {kinds} if isinstance(kinds, str) else kinds
    found = [o for o in objects if o["kind"] in kinds and name in (None, o["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} of {kinds} {name}"
    return found[0]


def kinds_of(objects):
    return sorted(each["kind"] for each in objects)


def variables(container):
    return {each["name"]: each.get("value") for each in container["env"]}
