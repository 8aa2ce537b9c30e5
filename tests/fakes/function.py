"""The function's own code, run on tables in memory, with the labels that Rekognition shall answer."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from types import SimpleNamespace
from typing import Any

from labeller.handler import Handler
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.photos import LABELS, PHOTOS
from tests.fakes.template import function_environment
from tests.lambda_runtime import sqs_event

ENVIRONMENT = function_environment(
    {
        "PhotosTable": PHOTOS,
        "LabelsTable": LABELS,
        "Queue": "https://queue/work",
        "DeadLetters": "https://queue/dead",
    }
)


class Function:
    """The function. `answer` is what DetectLabels returns for the next photo."""

    def __init__(self, tables: FakeDynamoDB) -> None:
        self.answer: Any = {"Labels": []}
        rekognition = SimpleNamespace(detect_labels=lambda **_: self.answer)
        clients: Any = SimpleNamespace(rekognition=rekognition, dynamodb=tables)
        self._handler = Handler(clients, ENVIRONMENT)

    def run(self, record: Any) -> str:
        """Work on one record of S3's; returns what the function printed."""
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
        with redirect_stdout(io.StringIO()) as printed:
            failures = self._handler.handle(sqs_event(record), context)["batchItemFailures"]
        assert not failures, printed.getvalue()
        return printed.getvalue()
