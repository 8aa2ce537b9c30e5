"""Snapshots of the local cloud's state on disk. One of them is current.

    state/000041/<service>.json, manifest.json     the previous snapshot
    state/000042/<service>.json, manifest.json     the newest
    state/current -> 000042                        replaced with one rename
    state/lambda-blobs/<sha256>.zip                Lambda code, shared by snapshots

A new snapshot is written to a temporary folder, completed with a manifest of digests, renamed, and only
then made current. If the process is killed before that, the older snapshot stays current and intact.
Files are not synced to disk: snapshots protect against a killed process, not a power cut. After a power
cut, the digests detect a damaged snapshot. This module must not depend on the contents of the files or
on the emulator.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from labelctl.errors import Command, LocalCloudError

MANIFEST = "manifest.json"
CURRENT = "current"
BLOBS = "lambda-blobs"

_NUMBER = re.compile(r"\d{6,}")
_BLOB_REFERENCE = re.compile(rb'"code_blob_ref": "([0-9a-f]{64})"')
# Unchanged files below this size (bytes) are copied into the next snapshot, so that damage affects only
# one copy. Larger files are hard-linked, which takes no time or space.
_COPY_BELOW = 256 * 1024


class SnapshotStore:
    """The snapshots in one folder. Only one process may write at a time (the engine holds a lock)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / BLOBS

    def recover(self) -> tuple[Path | None, str]:
        """The snapshot to start from, None if there is none; and a notice for the user, usually "".

        If the newest snapshot is damaged, it is renamed to `damaged-<time>-<name>` and the previous one
        becomes current. Raises LocalCloudError, and changes nothing, if all are damaged.
        """
        numbered = self._numbered()
        current = self._current()
        candidates = [current] if current else []
        candidates += [path for path in reversed(numbered) if path != current]
        if not candidates:
            return None, ""
        for path in candidates:
            if not _is_intact(path):
                continue
            if path == candidates[0]:
                if path != current:
                    self._set_current(path)
                return path, ""
            saved = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(path.stat().st_mtime))
            notice = f"The local cloud's newest saved state is damaged. It was restored to {saved}."
            if candidates[0].exists():
                notice += f" The damaged state is kept in {self._rename_damaged(candidates[0])}."
            self._set_current(path)
            return path, notice
        raise LocalCloudError(
            f"The local cloud's saved state in {self.folder} is damaged.",
            "To start over, run: ",
            Command("local", "reset"),
            ". It deletes the local cloud's photos and labels.",
        )

    def write(self, captured: Mapping[str, bytes]) -> bool:
        """Make a new current snapshot: the previous one with the `captured` files replaced.

        Returns False, and writes nothing, if no file has changed.
        """
        previous = self._current()
        digests = dict(_manifest(previous)) if previous else {}
        new_digests = {name: _digest(data) for name, data in captured.items()}
        changed = {name for name, digest in new_digests.items() if digests.get(name) != digest}
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
                _copy_or_link(previous / name, unfinished / name)
        (unfinished / MANIFEST).write_text(json.dumps(digests | new_digests))
        unfinished.rename(target)
        self._set_current(target)
        self._delete_older_than(previous or target)
        return True

    def blob_references(self) -> set[str]:
        """The SHA-256 digests, in hexadecimal, of all Lambda code that the snapshots refer to."""
        referenced: set[str] = set()
        for snapshot in self._numbered():
            saved = snapshot / "lambda.json"
            if saved.exists():
                found = _BLOB_REFERENCE.findall(saved.read_bytes())
                referenced.update(digest.decode() for digest in found)
        return referenced

    def write_blob(self, digest: str, content: bytes) -> None:
        """Write Lambda code atomically, replacing an existing file."""
        self.blobs.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self.blobs / f"{digest}.new"
        temporary.write_bytes(content)
        temporary.replace(self.blobs / f"{digest}.zip")

    def prune_blobs(self) -> None:
        """Delete Lambda code that no snapshot refers to."""
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
        if (
            current.is_dir() and not current.is_symlink()
        ):  # a backup tool has copied the link's target
            self._rename_damaged(current)
        link.unlink(missing_ok=True)
        link.symlink_to(target.name)
        link.replace(current)

    def _rename_damaged(self, path: Path) -> Path:
        renamed = self.folder / f"damaged-{time.strftime('%Y%m%dT%H%M%S')}-{path.name}"
        path.rename(renamed)
        return renamed

    def _delete_older_than(self, oldest: Path) -> None:
        for path in self._numbered():
            if int(path.name) < int(oldest.name):
                shutil.rmtree(path, ignore_errors=True)


def _copy_or_link(source: Path, target: Path) -> None:
    if source.stat().st_size >= _COPY_BELOW:
        try:
            target.hardlink_to(source)
            return
        except OSError:  # the file system has no hard links
            pass
    shutil.copyfile(source, target)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _manifest(snapshot: Path) -> dict[str, str]:
    read = json.loads((snapshot / MANIFEST).read_bytes())
    if not isinstance(read, dict):
        raise ValueError("not a manifest")
    return read


def _is_intact(snapshot: Path) -> bool:
    try:
        return all(
            _digest((snapshot / name).read_bytes()) == digest
            for name, digest in _manifest(snapshot).items()
        )
    except (OSError, ValueError):
        return False
