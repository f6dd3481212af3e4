"""The table of values in a chart's README: the comments of its values.yaml with the defaults."""
import json
import re

import yaml

BEGIN, END = "<!-- values of values.yaml -->\n", "<!-- end of values -->\n"


def rows(text):
    """Yields (key, default, comment); what stands below a commented key belongs to it."""
    path, comment, described = [], [], None
    for line in text.splitlines():
        words = re.match(r"( *)(?:# (.*)|([\w-]+):)", line)
        if not words:
            continue
        depth = len(words[1]) // 2
        if words[2] is not None:
            comment.append(words[2])
            continue
        path = path[:depth] + [words[3]]
        if described is not None and path[: len(described)] == described:
            continue
        described = None
        value = yaml.safe_load(text)
        for key in path:
            value = value[key]
        if comment or not isinstance(value, dict) or not value:
            described = path
            yield ".".join(path), json.dumps(value), " ".join(comment)
        comment = []


def with_table(readme, values):
    head, rest = readme.split(BEGIN)
    tail = rest.split(END)[1]
    table = "".join(f"| `{key}` | `{default}` | {comment} |\n" for key, default, comment in rows(values))
    return f"{head}{BEGIN}\n| Value | Default | What it does |\n|---|---|---|\n{table}\n{END}{tail}"
