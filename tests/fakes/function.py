"""The function's own code, run on tables in memory, with the labels that Rekognition shall answer."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from labelctl.deploy import assets
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.photos import LABELS, PHOTOS
from tests.fakes.template import read_template
from tests.lambda_runtime import sqs_event

_SETTINGS = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing-secret",
}


class Function:
    """The function's handler. `answer` is what DetectLabels returns for the next photo."""

    def __init__(self, handler: Any, tables: FakeDynamoDB) -> None:
        self.answer: Any = {"Labels": []}
        self._handler = handler
        rekognition = SimpleNamespace(detect_labels=lambda **_: self.answer)
        handler._store = type(handler._store)(tables, PHOTOS, LABELS)
        handler._recognition = type(handler._recognition)(rekognition, handler._bucket)

    def run(self, record: Any) -> str:
        """Work on one record of S3's; returns what the function printed."""
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
        with redirect_stdout(io.StringIO()) as printed:
            failures = self._handler.handler(sqs_event(record), context)["batchItemFailures"]
        assert not failures, printed.getvalue()
        return printed.getvalue()


@contextmanager
def function_on(tables: FakeDynamoDB) -> Iterator[Function]:
    """The function as it starts, with the template's settings."""
    folder = assets.asset_folder("lambda")
    with patch.dict(os.environ, {**_SETTINGS, **_environment()}), patch.dict(sys.modules):
        for name in [name for name in sys.modules if name.startswith("labeller")]:
            del sys.modules[name]
        with patch.object(sys, "path", [str(folder), *sys.path]):
            handler = importlib.import_module("labeller.handler")
        yield Function(handler, tables)


def _environment() -> dict[str, str]:
    """The template's variables: its parameters' defaults, and names for its resources."""
    template = read_template()
    variables = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    parameters = template["Parameters"]
    return {
        name: str(parameters.get(value["Ref"], {}).get("Default", value["Ref"]))
        for name, value in variables.items()
    }
