"""Values as JSON text that is safe to print on a terminal."""

from __future__ import annotations

import json
import re
from typing import Any

_RISKY = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that JSON strings may contain, but that steer terminals, end lines or are not UTF-8."""


def json_text(value: Any, encoding: str, indent: int | None = None) -> str:
    """The value as JSON. What `encoding` cannot represent is escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_number)
    text = _RISKY.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(value, ensure_ascii=True, indent=indent, default=_number)
    return text


def _number(value: Any) -> Any:
    from decimal import Decimal

    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
