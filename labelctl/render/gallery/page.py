"""Generating the gallery's HTML page from the files in static/ and the photos' data.

The page is opened from disk and may be sent to other people, and it shows untrusted text: keys, labels
and reasons. So its Content-Security-Policy allows only its own scripts and style, identified by their
SHA-256 [CSP Level 3, 2.3.1], and the data is in a block that browsers do not execute, with every
character escaped that could end the block. This module knows HTML, but not the meaning of the data.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_STATIC = Path(__file__).parent / "static"
_STYLES = ("gallery.css", "viewer.css", "print.css")
_SCRIPTS = (
    *("dom.js", "clipboard.js", "photo-date.js", "search-words.js", "folders.js", "photo-index.js"),
    *("tiles.js", "grid.js", "print.js"),
    *("tags.js", "boxes.js", "zoom.js", "slideshow.js", "pictures.js", "viewer.js"),
    *("facets.js", "active-filters.js", "address.js", "keys.js", "gallery.js"),
)
"""In order of dependency; the last one starts the page."""

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?")
_DATA_URL = re.compile(r"data:image/[a-z+.-]+;base64,[A-Za-z0-9+/]+=*")
_BLOCK_ID = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_ESCAPES = {ord(each): f"\\u{ord(each):04x}" for each in "<>&"}


def render(data: Mapping[str, Any], *, image_hosts: Sequence[str] = ()) -> str:
    """The complete page for `data`, with pictures in its own folder or on `image_hosts`.

    `image_hosts` are origins, such as https://photos.s3.amazonaws.com, from which pictures may be
    loaded as well. Raises ValueError if one is not an origin, or if `data` is not JSON (a NaN, a
    Decimal).
    """
    return "".join(pieces(data, image_hosts=image_hosts))


def pieces(
    data: Mapping[str, Any],
    *,
    image_hosts: Sequence[str] = (),
    blocks: Iterable[tuple[str, str]] = (),
) -> Iterator[str]:
    """The page in pieces, so that a page with embedded pictures need not fit into memory.

    `blocks` are (id, data: URL) of the pictures that `data` refers to as {"block": id}, consumed one at
    a time. Raises ValueError like `render`, and for a block whose URL is not an image in base64.
    """
    style = "\n".join(_static(name) for name in _STYLES)
    script = "\n".join(_static(name) for name in _SCRIPTS)
    values = {
        "csp": _policy(style, script, image_hosts),
        "style": style,
        "script": script,
        "data": embedded(data),
    }
    head, tail = _static("index.html").split("{{blocks}}")
    yield _filled(head, values)
    for name, url in blocks:
        yield _block(name, url)
    yield _filled(tail, values)


def embedded(value: object) -> str:
    """Encode `value` as JSON that is safe inside a script element: it cannot end or open a tag.

    Non-ASCII characters are escaped as well, including U+2028 and lone surrogates, which can occur in
    file names. Raises ValueError or TypeError for values that JSON cannot represent.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def _static(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _filled(text: str, values: Mapping[str, str]) -> str:
    # In one pass, so that inserted text is never searched for placeholders.
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def _policy(style: str, script: str, image_hosts: Sequence[str]) -> str:
    for host in image_hosts:
        if not _ORIGIN.fullmatch(host):
            raise ValueError(f"{host!r} is not an origin such as https://photos.s3.amazonaws.com")
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_sha256(script)}",
            f"style-src {_sha256(style)}",
            # For some browsers a page opened from disk has no origin, so 'self' is not enough.
            " ".join(("img-src 'self' file: data:", *image_hosts)),
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _sha256(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _block(name: str, url: str) -> str:
    if not _BLOCK_ID.fullmatch(name) or not _DATA_URL.fullmatch(url):
        raise ValueError(f"block {name!r} is not the data: URL of a picture")
    return f'<script type="text/plain" id="{name}">{url}</script>\n'
