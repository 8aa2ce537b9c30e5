"""The function's zip: the same sources give the same bytes, on any machine.

CloudFormation updates a function's code only when the zip's key changes, so the key carries the
zip's hash; and so the zip must not change by itself. Hence fixed times, order and modes, and no
compression: zlib's output differs between its builds, and the few kilobytes are not worth it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from labelctl.deploy import assets

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can tell
_MODE = 0o100644 << 16  # a plain file that everybody may read: Lambda runs as another user


@dataclass(frozen=True)
class Bundle:
    """The zip's bytes and the SHA-256 of them, in hexadecimal."""

    content: bytes
    digest: str

    @property
    def name(self) -> str:
        """A file name that changes when, and only when, the content does."""
        return f"labelctl-{self.digest[:32]}.zip"


def build() -> Bundle:
    """The zip of `lambda/` and the modules that it shares with the command line."""
    package = Path(__file__).parents[1]
    files = {path.name: path for path in assets.folder("lambda").glob("*.py")}
    for path in (package / "__init__.py", *(package / "contract").glob("*.py")):
        files[f"labelctl/{path.relative_to(package).as_posix()}"] = path
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _MODE
            entry.create_system = 3  # Unix, whatever this machine is: else the mode is not read
            # A checkout on Windows may have other line ends.
            archive.writestr(entry, files[name].read_bytes().replace(b"\r\n", b"\n"))
    content = buffer.getvalue()
    return Bundle(content, hashlib.sha256(content).hexdigest())
