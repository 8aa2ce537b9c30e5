"""A table too large to be held: the pages of its scan are made as they are asked for."""

from __future__ import annotations

from typing import Any

LABELS = 20  # of each photo
_VERSION = f"{1:032X}.0a1b2c3d"
_TIME = {"S": "2026-05-01T12:00:00.000Z"}


class TableStream:
    """So many photos of 20 labels each, for `Reader.scan` only.

    50 photos are 1,050 rows of about 500 bytes, half a page of DynamoDB's.
    """

    def __init__(self, photos: int, page: int = 50) -> None:
        self._photos = photos
        self._page = page

    def scan(
        self,
        *,
        Segment: int,  # noqa: N803
        TotalSegments: int,  # noqa: N803
        ExclusiveStartKey: Any = None,  # noqa: N803
        **_: Any,
    ) -> Any:
        start = int(ExclusiveStartKey["next"]["N"]) if ExclusiveStartKey else Segment
        end = min(start + self._page * TotalSegments, self._photos)
        numbers = range(start, end, TotalSegments)
        items = [row for number in numbers for row in _photo(f"{number:08}.jpg")]
        answer: Any = {"Items": items, "ConsumedCapacity": {"CapacityUnits": len(items) / 16}}
        if end < self._photos:
            answer["LastEvaluatedKey"] = {"next": {"N": str(start + self._page * TotalSegments)}}
        return answer

    def describe_table(self, *, TableName: str) -> Any:  # noqa: N803
        return {"Table": {"ItemCount": self._photos * (LABELS + 1)}}


def _photo(image: str) -> list[Any]:
    header = {
        "image": {"S": image},
        "row": {"S": "#"},
        "status": {"S": "labelled"},
        "version": {"S": _VERSION},
        "label_count": {"N": str(LABELS)},
        "done_at": _TIME,
        "model_version": {"S": "3.0"},
    }
    sides = ("left", "top", "width", "height", "confidence")
    box = {"M": {side: {"N": "0.12345678"} for side in sides}}
    rows = [
        {
            "image": {"S": image},
            "row": {"S": f"{_VERSION}#thing {number}"},
            "name": {"S": f"Thing {number}"},
            "confidence": {"N": f"{99.12345 - number}"},
            "uploaded_at": _TIME,
            "categories": {"L": [{"S": "Animals and Pets"}]},
            "parents": {"L": [{"S": "Animal"}, {"S": "Pet"}]},
            "aliases": {"L": []},
            "boxes": {"L": [box] if number < 4 else []},
        }
        for number in range(LABELS)
    ]
    return [header, *rows]
