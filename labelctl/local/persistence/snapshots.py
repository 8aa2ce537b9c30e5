"""The local cloud's saved state on disk: whole snapshots, one of them current.

    state/000041/<service>.json, manifest.json     the snapshot before
    state/000042/<service>.json, manifest.json     the newest
    state/current -> 000042                        flipped with one rename
    state/lambda-blobs/<sha256>.zip                Lambda code, shared by snapshots

A snapshot is written beside the others, sealed by a manifest of digests, renamed into place, and
only then made current: whoever is killed in between leaves the older one current and whole. It is
not synced to the disk, since it guards against a killed process, not against a power cut; after one,
the digests tell a torn snapshot from a whole one. This module knows files, bytes and names; it
knows nothing of what is in them, nor of the emulator that reads them.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from labelctl.errors import LocalCloudError

MANIFEST = "manifest.json"
CURRENT = "current"
BLOBS = "lambda-blobs"

_NUMBER = re.compile(r"\d{6,}")
_BLOB_REFERENCE = re.compile(rb'"code_blob_ref": "([0-9a-f]{64})"')
# Files below this size are copied from one snapshot to the next, so that damage to one does not
# reach the other; larger ones are linked, which costs nothing whatever their size.
_COPY_BELOW = 256 * 1024


class SnapshotStore:
    """The snapshots in one folder. One process at a time may write (the engine holds a lock)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / BLOBS

    def recover(self) -> tuple[Path | None, str]:
        """The snapshot to start from, and what the user should be told about it ("" = nothing).

        None means that nothing was ever saved. A damaged newest snapshot is set aside as
        `damaged-<time>-<name>` and the one before becomes current; LocalCloudError when none is whole,
        and then nothing is touched.
        """
        numbered = self._numbered()
        current = self._current()
        candidates = [current] if current else []
        candidates += [path for path in reversed(numbered) if path != current]
        if not candidates:
            return None, ""
        for path in candidates:
            if not _is_whole(path):
                continue
            if path == candidates[0]:
                if path != current:
                    self._set_current(path)
                return path, ""
            saved = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(path.stat().st_mtime))
            notice = (
                f"The local cloud's newest state was damaged; it went back to the one of {saved}."
            )
            if candidates[0].exists():
                notice += f" The damaged one is kept in {self._set_aside(candidates[0])}."
            self._set_current(path)
            return path, notice
        raise LocalCloudError(
            f"The local cloud's saved state in {self.folder} is damaged.",
            "Start over with `labelctl local reset`; it deletes the local cloud's photos and labels.",
        )

    def write(self, captured: Mapping[str, bytes]) -> bool:
        """Make a new current snapshot: the current one with the `captured` files put in.

        Returns False, and writes nothing, when every file is as it already was.
        """
        previous = self._current()
        digests = dict(_manifest(previous)) if previous else {}
        fresh = {name: _digest(data) for name, data in captured.items()}
        changed = {name for name, digest in fresh.items() if digests.get(name) != digest}
        if previous and not changed:
            return False
        numbered = self._numbered()
        number = int(numbered[-1].name) + 1 if numbered else 1
        target = self.folder / f"{number:06d}"
        unfinished = self.folder / f"writing-{number:06d}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, mode=0o700)
        for name in changed:
            (unfinished / name).write_bytes(captured[name])
        if previous:
            for name in digests.keys() - changed:
                _carry(previous / name, unfinished / name)
        (unfinished / MANIFEST).write_text(json.dumps(digests | fresh))
        unfinished.rename(target)
        self._set_current(target)
        self._delete_older_than(previous or target)
        return True

    def blob_references(self) -> set[str]:
        """The SHA-256 of all Lambda code that a kept snapshot refers to, in hexadecimal."""
        referenced: set[str] = set()
        for snapshot in self._numbered():
            saved = snapshot / "lambda.json"
            if saved.exists():
                found = _BLOB_REFERENCE.findall(saved.read_bytes())
                referenced.update(digest.decode() for digest in found)
        return referenced

    def write_blob(self, digest: str, content: bytes) -> None:
        """Write Lambda code, in place of what may be there, in one step."""
        self.blobs.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self.blobs / f"{digest}.new"
        beside.write_bytes(content)
        beside.replace(self.blobs / f"{digest}.zip")

    def prune_blobs(self) -> None:
        """Delete Lambda code that neither kept snapshot refers to."""
        if not self.blobs.is_dir():
            return
        referenced = self.blob_references()
        for blob in self.blobs.glob("*.zip"):
            if blob.stem not in referenced:
                blob.unlink(missing_ok=True)

    def _current(self) -> Path | None:
        try:
            name = (self.folder / CURRENT).readlink().name
        except OSError:
            return None
        return self.folder / name if _NUMBER.fullmatch(name) else None

    def _numbered(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        found = (path for path in self.folder.iterdir() if _NUMBER.fullmatch(path.name))
        return sorted(found, key=lambda path: int(path.name))

    def _set_current(self, target: Path) -> None:
        current, link = self.folder / CURRENT, self.folder / f"{CURRENT}.new"
        if current.is_dir() and not current.is_symlink():  # a backup has followed the link
            self._set_aside(current)
        link.unlink(missing_ok=True)
        link.symlink_to(target.name)
        link.replace(current)

    def _set_aside(self, path: Path) -> Path:
        aside = self.folder / f"damaged-{time.strftime('%Y%m%dT%H%M%S')}-{path.name}"
        path.rename(aside)
        return aside

    def _delete_older_than(self, oldest: Path) -> None:
        for path in self._numbered():
            if int(path.name) < int(oldest.name):
                shutil.rmtree(path, ignore_errors=True)


def _carry(source: Path, target: Path) -> None:
    if source.stat().st_size >= _COPY_BELOW:
        try:
            target.hardlink_to(source)
            return
        except OSError:  # a file system without hard links
            pass
    shutil.copyfile(source, target)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _manifest(snapshot: Path) -> dict[str, str]:
    read = json.loads((snapshot / MANIFEST).read_bytes())
    if not isinstance(read, dict):
        raise ValueError("not a manifest")
    return read


def _is_whole(snapshot: Path) -> bool:
    try:
        return all(
            _digest((snapshot / name).read_bytes()) == digest
            for name, digest in _manifest(snapshot).items()
        )
    except (OSError, ValueError):
        return False
