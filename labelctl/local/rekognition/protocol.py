"""Parses a request's JSON into parameters, and turns findings into the response's JSON.

The limits are those of the API reference of DetectLabels. SDKs check few of them, so they are checked
here, and a request that the real service would refuse is refused. Where the reference does not specify
the behaviour, these rules apply: a label passes the inclusion filters if its name or one of its
categories is in any of them; exclusion takes precedence over inclusion; filters compare names exactly
and ignore aliases; `MinConfidence` also applies to each box. This module must not detect or fetch
anything.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labelctl.local.rekognition.errors import invalid_parameters, too_large
from labelctl.local.rekognition.models import Finding
from labelctl.local.rekognition.recogniser import Detection
from labelctl.local.rekognition.taxonomy import LabelInfo, label_info

MAX_BYTES = 5 * 1024 * 1024
"""Maximum size of a picture in the request itself, in bytes. [Rekognition, Guidelines and quotas]"""

_MAX_LABELS = 1000
_MAX_FILTERS = 100
_FILTER = re.compile(r"[A-Za-z0-9àâèçñó'-_(). ]{0,50}")  # the pattern in the service model
_FEATURES = {"GENERAL_LABELS", "IMAGE_PROPERTIES"}


@dataclass(frozen=True)
class S3Object:
    """An object in S3; `version` None means the current version."""

    bucket: str
    name: str
    version: str | None

    @property
    def action(self) -> str:
        """The IAM action that allows reading it."""
        return "s3:GetObjectVersion" if self.version else "s3:GetObject"

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.bucket}/{self.name}"


@dataclass(frozen=True)
class Request:
    """A validated request. `source` is the picture or where it is stored; confidence is in percent."""

    source: bytes | S3Object
    labels: bool
    min_confidence: float
    max_labels: int
    max_colors: int | None
    included: frozenset[str]
    excluded: frozenset[str]
    included_categories: frozenset[str]
    excluded_categories: frozenset[str]


def read_request(body: Any) -> Request:
    """Validate the decoded JSON of a request.

    Raises RefusalError: InvalidParameterException, or ImageTooLargeException for more than 5 MB.
    """
    fields = _object(body)
    features = _features(fields.get("Features"))
    settings = _object(fields.get("Settings"))
    general = _object(settings.get("GeneralLabels"))
    colors = _object(settings.get("ImageProperties"))
    labels = "GENERAL_LABELS" in features
    if not labels and (general or {"MinConfidence", "MaxLabels"} & fields.keys()):
        raise invalid_parameters()  # "only valid when supplying GENERAL_LABELS"
    return Request(
        source=_source(_object(fields.get("Image"))),
        labels=labels,
        min_confidence=_number(fields.get("MinConfidence", 55.0), 100),
        max_labels=_whole_number(fields.get("MaxLabels", _MAX_LABELS), _MAX_LABELS),
        max_colors=(
            _whole_number(colors.get("MaxDominantColors", 10), 20)
            if "IMAGE_PROPERTIES" in features
            else None
        ),
        included=_filters(general.get("LabelInclusionFilters")),
        excluded=_filters(general.get("LabelExclusionFilters")),
        included_categories=_filters(general.get("LabelCategoryInclusionFilters")),
        excluded_categories=_filters(general.get("LabelCategoryExclusionFilters")),
    )


def write_answer(request: Request, detection: Detection, version: str) -> dict[str, Any]:
    """The response's JSON, with labels by descending confidence, then by name."""
    labels = to_labels(detection.findings, request.min_confidence) if request.labels else []
    answer: dict[str, Any] = {
        "Labels": [label for label in labels if _passes(label, request)][: request.max_labels],
        "LabelModelVersion": version,
    }
    if detection.properties is not None:
        answer["ImageProperties"] = detection.properties
    return answer


def to_labels(findings: Iterable[Finding], min_confidence: float) -> list[dict[str, Any]]:
    """One label per name. Each ancestor is a label too, with the highest confidence below it."""
    infos: dict[str, LabelInfo] = {}
    confidence: dict[str, float] = {}
    instances: dict[str, list[dict[str, Any]]] = {}
    for finding in sorted(findings, key=lambda finding: -finding.confidence):
        percent = round(finding.confidence, 4)
        if percent < min_confidence:
            continue
        label = finding.label
        for info in (label, *map(label_info, label.parents)):
            infos.setdefault(info.name, info)
            confidence.setdefault(info.name, percent)
        if finding.box:
            instances.setdefault(label.name, []).append(_instance(finding, percent))
    return [
        {
            "Name": name,
            "Confidence": confidence[name],
            "Instances": instances.get(name, []),
            "Parents": _named(infos[name].parents),
            "Aliases": _named(infos[name].aliases),
            "Categories": _named(infos[name].categories),
        }
        for name in sorted(infos, key=lambda name: (-confidence[name], name))
    ]


def _instance(finding: Finding, percent: float) -> dict[str, Any]:
    box = finding.box
    assert box is not None
    return {
        "BoundingBox": {
            "Left": round(box.left, 6),
            "Top": round(box.top, 6),
            "Width": round(box.width, 6),
            "Height": round(box.height, 6),
        },
        "Confidence": percent,
    }


def _named(names: Iterable[str]) -> list[dict[str, str]]:
    return [{"Name": name} for name in names]


def _passes(label: Mapping[str, Any], request: Request) -> bool:
    name = label["Name"]
    categories = {category["Name"] for category in label["Categories"]}
    if name in request.excluded or categories & request.excluded_categories:
        return False
    if not request.included and not request.included_categories:
        return True
    return name in request.included or bool(categories & request.included_categories)


def _source(image: Mapping[str, Any]) -> bytes | S3Object:
    if len(image) != 1:
        raise invalid_parameters()
    if "Bytes" in image:
        return _picture(image["Bytes"])
    location = _object(image.get("S3Object"))
    bucket, name = _text(location.get("Bucket"), 3, 255), _text(location.get("Name"), 1, 1024)
    version = _text(location["Version"], 1, 1024) if location.get("Version") is not None else None
    return S3Object(bucket, name, version)


def _picture(encoded: Any) -> bytes:
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise invalid_parameters() from error
    if not data:
        raise invalid_parameters()
    if len(data) > MAX_BYTES:
        raise too_large()
    return data


def _features(value: Any) -> set[str]:
    """The requested features; the default is labels only."""
    names = _list(value, len(_FEATURES))
    if not all(isinstance(name, str) and name in _FEATURES for name in names):
        raise invalid_parameters()
    return set(names) or {"GENERAL_LABELS"}


def _filters(value: Any) -> frozenset[str]:
    names = _list(value, _MAX_FILTERS)
    if not all(isinstance(name, str) and _FILTER.fullmatch(name) for name in names):
        raise invalid_parameters()
    return frozenset(names)


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid_parameters()
    return value


def _list(value: Any, longest: int) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > longest:
        raise invalid_parameters()
    return value


def _text(value: Any, shortest: int, longest: int) -> str:
    if not isinstance(value, str) or not shortest <= len(value) <= longest:
        raise invalid_parameters()
    try:
        value.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, which no key can contain
        raise invalid_parameters() from error
    return value


def _number(value: Any, highest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= highest:
        raise invalid_parameters()
    return float(value)


def _whole_number(value: Any, highest: int) -> int:
    if not isinstance(value, int):
        raise invalid_parameters()
    return int(_number(value, highest))
