"""How long the labels of one photo take, against `aws dynamodb query` of its item.

Both ask the server of `table_server`, in turn.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

from tests.bench.peers import installed_aws
from tests.bench.table_server import PHOTO, TABLE, table_server
from tests.bench.timing import LABELCTL, timed

ROUNDS = 15


def labels() -> None:
    with tempfile.TemporaryDirectory() as folder, table_server(1) as env:
        values = json.dumps({":image": {"S": PHOTO}})
        condition = ["--key-condition-expression", "image = :image"]
        query = [
            installed_aws(Path(folder)),
            "dynamodb",
            "query",
            "--table-name",
            TABLE,
            *condition,
        ]
        commands = {
            "labelctl labels": [LABELCTL, "labels", PHOTO, "--output", "table"],
            "aws dynamodb query": [*query, "--expression-attribute-values", values],
        }
        env["XDG_CACHE_HOME"] = folder
        times: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(ROUNDS + 1):
            for name, command in commands.items():
                spent = timed(command, env)
                if number:  # the first round warms the disk's cache
                    times[name].append(spent)
    base = statistics.median(times["aws dynamodb query"])
    for name, spents in times.items():
        median = statistics.median(spents)
        print(f"{name:<20}{median * 1000:6.0f} ms{median / base:6.2f} of aws dynamodb query")
