"""Building the function's zip reproducibly: the same sources give the same name on any machine.

CloudFormation updates a function only if the key of its zip changes, so the key contains a hash of the
sources. It is not a hash of the zip, because the output of zlib differs between builds. With one zlib,
the zip's bytes are the same, too: file times, order and modes are fixed.
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
    """The bytes of the zip, and the SHA-256 of its files' names and contents, in hexadecimal."""

    content: bytes
    sources: str

    @property
    def name(self) -> str:
        """A file name that changes if and only if a source does."""
        return f"labelctl-{self.sources[:32]}.zip"

    @property
    def digest(self) -> str:
        """The SHA-256 of the zip, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


def build() -> Bundle:
    """Return the zip of `lambda/` and `labelctl/contract/`."""
    ours, function = Path(__file__).parents[2], assets.asset_folder("lambda")
    contract = (ours / "labelctl" / "__init__.py", *(ours / "labelctl" / "contract").glob("*.py"))
    files = {path.relative_to(ours).as_posix(): path for path in contract}
    for path in (function / "labeller").glob("*.py"):
        files[path.relative_to(function).as_posix()] = path
    buffer, sources = io.BytesIO(), hashlib.sha256()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            # A checkout on Windows may have other line endings.
            source = files[name].read_bytes().replace(b"\r\n", b"\n")
            sources.update(f"{name}\0{len(source)}\0".encode() + source)
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _MODE
            entry.create_system = 3  # Unix on every platform: otherwise the mode is ignored
            archive.writestr(entry, source, zipfile.ZIP_DEFLATED)
    return Bundle(buffer.getvalue(), sources.hexdigest())
