"""The protocol between the server and its worker processes, over pipes.

A task is one line of JSON followed by the picture's bytes; an answer is one line of JSON. Pickle is not
used, as a worker decodes untrusted pictures and must not be able to run code in the server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import IO, Any

from labelctl.local.rekognition.errors import RefusalError
from labelctl.local.rekognition.models import Box, Finding
from labelctl.local.rekognition.recogniser import Detection
from labelctl.local.rekognition.taxonomy import LabelInfo

_MAX_LINE = 32 * 1024 * 1024


@dataclass(frozen=True)
class Task:
    """A JPEG or PNG to analyse, including image properties if `max_colors` is given."""

    data: bytes
    max_colors: int | None


def send_task(stream: IO[bytes], task: Task) -> None:
    header = {"size": len(task.data), "max_colors": task.max_colors}
    stream.write(json.dumps(header).encode() + b"\n")
    stream.write(task.data)
    stream.flush()


def receive_task(stream: IO[bytes]) -> Task | None:
    """The next task; None when the server has closed the pipe."""
    line = stream.readline()
    if not line:
        return None
    header = json.loads(line)
    data = stream.read(header["size"])
    return Task(data, header["max_colors"]) if len(data) == header["size"] else None


def send(stream: IO[bytes], answer: Mapping[str, Any]) -> None:
    stream.write(json.dumps(answer).encode() + b"\n")
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, Any] | None:
    """The next answer; None if the worker has ended or the answer is malformed."""
    line = stream.readline(_MAX_LINE)
    try:
        answer = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def pack_detection(detection: Detection) -> dict[str, Any]:
    return asdict(detection)


def unpack_detection(packed: Mapping[str, Any]) -> Detection:
    return Detection(tuple(map(_finding, packed["findings"])), packed["properties"])


def pack_refusal(refusal: RefusalError) -> dict[str, Any]:
    return {"code": refusal.code, "message": refusal.message, "status": refusal.status}


def unpack_refusal(packed: Mapping[str, Any]) -> RefusalError:
    return RefusalError(packed["code"], packed["message"], packed["status"])


def _finding(packed: Mapping[str, Any]) -> Finding:
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in packed["label"].items()
    }
    box = Box(**packed["box"]) if packed["box"] else None
    return Finding(LabelInfo(**fields), packed["confidence"], box)
