"""Puts the gallery's page together: one HTML text out of labelctl/gallery/static/ and the photos' data.

The page is opened from disk and may be sent to somebody, and what it shows (file names, labels,
reasons) was written by others. So it carries a Content-Security-Policy that lets nothing run but the
very scripts and the very style that are written here, named by their SHA-256 [CSP Level 3, 2.3.1],
and the data rides in a block that browsers do not run, with every character escaped that could end
it. This module knows HTML; of photos it knows only that they are JSON, and it reads and writes no
file but its own parts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_PARTS = Path(__file__).parent / "static"
_SCRIPTS = ("dom.js", "photo-index.js", "grid.js", "tags.js", "viewer.js", "gallery.js")
"""In the order in which they build on each other; the last one starts the page."""

_PLACE = re.compile(r"\{\{(\w+)\}\}")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?")
_BLOCK = re.compile(r"data:image/[a-z+.-]+;base64,[A-Za-z0-9+/]+=*")
_BLOCK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_ESCAPES = {ord(each): f"\\u{ord(each):04x}" for each in "<>&"}


def render(data: Mapping[str, Any], *, image_hosts: Sequence[str] = ()) -> str:
    """The whole page for `data`, with all pictures beside it or behind `image_hosts`.

    `image_hosts` are the origins, such as https://photos.s3.amazonaws.com, from which pictures may
    be loaded besides the page's own folder. Raises ValueError when one is more than an origin, or
    when `data` is not JSON (a NaN, a Decimal).
    """
    return "".join(pieces(data, image_hosts=image_hosts))


def pieces(
    data: Mapping[str, Any],
    *,
    image_hosts: Sequence[str] = (),
    blocks: Iterable[tuple[str, str]] = (),
) -> Iterator[str]:
    """The page bit by bit, so that one with all its pictures inside need not fit into memory.

    `blocks` are (name, data: URL) of the pictures that `data` refers to as {"block": name}. They
    are taken one at a time. Raises ValueError as `render` does, and for a block that is not a name
    and a data: URL of an image in base64.
    """
    style = _part("gallery.css")
    script = "\n".join(_part(name) for name in _SCRIPTS)
    written = {
        "csp": _policy(style, script, image_hosts),
        "style": style,
        "script": script,
        "data": embedded(data),
    }
    head, tail = _part("index.html").split("{{blocks}}")
    yield _filled(head, written)
    for name, url in blocks:
        yield _block(name, url)
    yield _filled(tail, written)


def embedded(value: object) -> str:
    """`value` as JSON that can stand in a script element: nothing in it ends or opens a tag.

    Everything beyond ASCII is escaped too, so that neither U+2028 nor half a surrogate pair (which
    a file name can hold) is written. Raises ValueError or TypeError for what JSON cannot say.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def _part(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")


def _filled(text: str, written: Mapping[str, str]) -> str:
    # One pass: what is put in is never searched for places again.
    return _PLACE.sub(lambda place: written[place[1]], text)


def _policy(style: str, script: str, image_hosts: Sequence[str]) -> str:
    for host in image_hosts:
        if not _ORIGIN.fullmatch(host):
            raise ValueError(f"{host!r} is not an origin such as https://photos.s3.amazonaws.com")
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_sha256(script)}",
            f"style-src {_sha256(style)}",
            # A page opened from disk is of no origin to some browsers: 'self' alone would not do.
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
    if not _BLOCK_NAME.fullmatch(name) or not _BLOCK.fullmatch(url):
        raise ValueError(f"the block {name!r} is not a picture's data: URL")
    return f'<script type="text/plain" id="{name}">{url}</script>\n'
