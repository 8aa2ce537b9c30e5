"""Building the function's zip reproducibly: the same sources give the same bytes on any machine.

CloudFormation updates a function only if the key of its zip changes, so the key contains the zip's
hash. File times, order and modes are therefore fixed, and nothing is compressed: the output of zlib
differs between builds.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from labelctl.deploy import assets

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time in a zip
_MODE = 0o100644 << 16  # readable by everyone, because Lambda runs the function as another user


@dataclass(frozen=True)
class Bundle:
    """The bytes of the zip, and their SHA-256 in hexadecimal."""

    content: bytes
    digest: str

    @property
    def name(self) -> str:
        """A file name that changes if and only if the content does."""
        return f"labelctl-{self.digest[:32]}.zip"


def build() -> Bundle:
    """Return the zip of `lambda/` and `labelctl/contract/`."""
    ours, function = Path(__file__).parents[2], assets.asset_folder("lambda")
    contract = (ours / "labelctl" / "__init__.py", *(ours / "labelctl" / "contract").glob("*.py"))
    files = {path.relative_to(ours).as_posix(): path for path in contract}
    for path in (function / "labeller").glob("*.py"):
        files[path.relative_to(function).as_posix()] = path
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _MODE
            entry.create_system = 3  # Unix on every platform: otherwise the mode is ignored
            # A checkout on Windows may have other line endings.
            archive.writestr(entry, files[name].read_bytes().replace(b"\r\n", b"\n"))
    content = buffer.getvalue()
    return Bundle(content, hashlib.sha256(content).hexdigest())
