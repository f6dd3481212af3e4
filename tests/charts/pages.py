"""The blocks of README.md and docs/ that show a configuration, and what an API server can judge of them."""
import re

from charts import ROOT

OF_CONTAINER = ("env", "volumeMounts")


def blocks(tag):
    """(page:line, text)"""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text()
        for found in re.finditer(rf"^```{tag}\n(.*?)^```$", text, re.M | re.S):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{path.relative_to(ROOT)}:{line}", found[1]


def as_object(shown):
    """A whole object itself; parts of a Pod in a Pod that has what they leave out; else None."""
    if "kind" in shown:
        return shown
    spec = dict(shown.get("spec", {}).get("template", {}).get("spec", shown))
    if not {"containers", "initContainers", "volumes", *OF_CONTAINER} & set(spec):
        return None
    main = {"name": "shown", **{key: spec.pop(key) for key in OF_CONTAINER if key in spec}}
    spec.setdefault("containers", [main])
    spec.pop("serviceAccountName", None)  # which is there where this is
    for each in spec["containers"] + spec.get("initContainers", []):
        each.setdefault("image", "shown")
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shown"}, "spec": spec}
