"""A gallery's folder and the picture files in it.

A file's name is a hash of its photo's key and ETag. So keys never become file names, an existing
picture is up to date, and it cannot belong to another photo. A marker file, created first, identifies
the folder as a gallery; only files with such hashed names are ever deleted in it. Files are written
atomically, and symbolic links are never followed. This module must not know where pictures come from or
their labels.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from labelctl import paths
from labelctl.atomic_file import atomic_write, remove_abandoned
from labelctl.errors import RefusedError, UsageError
from labelctl.photos.generated_files import GALLERY_MARKER
from labelctl.photos.system_files import DISPLAY_FILES
from labelctl.render.gallery import date_taken

if TYPE_CHECKING:
    from PIL import Image

THUMB = 400
FULL = 1600
"""Longest side in pixels of a picture in the grid, and of a large one."""

_ABOUT = "Created by `labelctl gallery`, which adds and removes pictures here. Safe to delete.\n"
_THUMBS, _FULLS = "thumbs", "photos"
_FILE_NAME = re.compile(r"(?P<name>[0-9a-f]{32})\.(jpg|txt)")
_FORMAT = "3"
"""Part of every name: increase it to have all pictures made again."""
_QUALITY = 82
_NOT_LINKABLE = b"not linkable"
"""The JPEG comment of the thumbnail of a photo whose original must not be linked."""


@dataclass(frozen=True)
class Pictures:
    """A photo's pictures: paths relative to the folder, and the upright size in pixels.

    `full` is None if there is only a thumbnail. `taken` is the date from the photo's EXIF data (see
    `date_taken`), or None.
    """

    thumb: str
    full: str | None
    width: int
    height: int
    taken: str | None = None


@dataclass(frozen=True)
class _Header:
    size: tuple[int, int]
    comment: bytes | None
    taken: str | None


def name_of(key: str, etag: str | None) -> str:
    """The name of a photo version's files, without a suffix: 32 hexadecimal digits."""
    identity = "\0".join((_FORMAT, key, etag or ""))
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


class Folder:
    """A gallery's folder, opened by `open_folder`. Thread-safe.

    With `thumbs_only` there are large pictures only of photos whose originals must not be linked.
    """

    def __init__(self, root: Path, *, thumbs_only: bool = False) -> None:
        self.root = root
        self._thumbs_only = thumbs_only

    def find(self, name: str) -> Pictures | None:
        """The pictures with this name; None if they are missing or damaged."""
        header = self._read_header(f"{_THUMBS}/{name}.jpg")
        if header is None:
            return None
        linkable = header.comment != _NOT_LINKABLE
        found = self._pictures(name, header.size, linkable, header.taken)
        if not found.full:
            return found
        header = self._read_header(found.full)
        return replace(found, width=header.size[0], height=header.size[1]) if header else None

    def _read_header(self, place: str) -> _Header | None:
        """The header of a picture file; None if it is missing or damaged."""
        from PIL import Image

        path = self.root / place
        if path.is_symlink():  # it may lead to a picture outside the folder
            return None
        try:
            with Image.open(path, formats=("JPEG",)) as picture:
                comment = picture.info.get("comment")
                return _Header(picture.size, comment, date_taken.read(picture))
        except OSError:
            return None

    def failure_reason(self, name: str) -> str | None:
        """The reason recorded by `give_up` for this name, or None."""
        path = self.root / _THUMBS / f"{name}.txt"
        try:
            return None if path.is_symlink() else path.read_text("utf-8") or None
        except (OSError, ValueError):
            return None

    def longest(self, *, linkable: bool = True) -> int:
        """The longest side in pixels of pictures passed to `write_pictures`."""
        return FULL if self._needs_full(linkable) else THUMB

    def write_pictures(
        self, name: str, image: Image.Image, *, linkable: bool = True, taken: str | None = None
    ) -> Pictures:
        """Write a photo's pictures from the large one. Raises RefusedError.

        A photo that is not `linkable` always gets a large picture. The thumbnail keeps the date when
        it was `taken`, so that later runs need not fetch the photo.
        """
        found = self._pictures(name, image.size, linkable, taken)
        if found.full:
            self._write_picture(found.full, image)
            image = image.copy()
            image.thumbnail((THUMB, THUMB))
        # Last, so that it marks completion.
        comment = b"" if linkable else _NOT_LINKABLE
        exif = date_taken.write(taken) if taken else b""
        self._write_picture(found.thumb, image, comment=comment, exif=exif)
        return found

    def record_failure(self, name: str, reason: str) -> None:
        """Record why there are no pictures with this name. Raises RefusedError."""
        # Not durable, as there are many files, and a lost one is created again.
        with atomic_write(self.root / _THUMBS / f"{name}.txt", durable=False) as file:
            file.stream.write(reason.encode())

    def sweep(self, names: Collection[str]) -> int:
        """Delete the pictures of all other photos, and temporary files of interrupted runs.

        Returns the number of other photos whose pictures were deleted.
        """
        deleted = set()
        for part in (_THUMBS, _FULLS):
            with _writing(self.root / part):
                remove_abandoned(self.root / part)
                for path in (self.root / part).iterdir():
                    match = _FILE_NAME.fullmatch(path.name)
                    if not match:
                        continue
                    if match["name"] not in names or not self._uses(part, match["name"]):
                        path.unlink()
                        deleted.add(match["name"])
        return len(deleted.difference(names))

    def remove(self) -> None:
        """Delete the gallery's files, and the folder if it is then empty."""
        self.sweep(())
        with contextlib.suppress(OSError):
            for part in (_THUMBS, _FULLS):
                (self.root / part).rmdir()
            (self.root / GALLERY_MARKER).unlink()
            self.root.rmdir()

    def _uses(self, part: str, name: str) -> bool:
        if part == _THUMBS or not self._thumbs_only:
            return True
        found = self.find(name)
        return bool(found and found.full)

    def _needs_full(self, linkable: bool) -> bool:
        return not (self._thumbs_only and linkable)

    def _pictures(
        self, name: str, size: tuple[int, int], linkable: bool, taken: str | None
    ) -> Pictures:
        full = f"{_FULLS}/{name}.jpg" if self._needs_full(linkable) else None
        return Pictures(f"{_THUMBS}/{name}.jpg", full, *size, taken)

    def _write_picture(self, name: str, image: Image.Image, **metadata: bytes) -> None:
        with atomic_write(self.root / name, durable=False) as file:
            image.save(file.stream, "JPEG", quality=_QUALITY, **metadata)


@contextlib.contextmanager
def open_folder(root: Path, *, thumbs_only: bool = False) -> Iterator[Folder]:
    """Open a new or existing gallery folder, locked against other runs.

    Raises UsageError for a file or an unusable path; RefusedError for a link, a folder with other
    contents, or one that cannot be written to.
    """
    paths.check(root)
    _refuse_link(root)
    if root.exists() and not root.is_dir():
        raise UsageError(
            f'"{root}" is a file, but a gallery is a folder.',
            "Choose another name with -o, or add --embed to write one file.",
        )
    marker = root / GALLERY_MARKER
    with contextlib.ExitStack() as stack:
        with _writing(root):
            root.mkdir(parents=True, exist_ok=True)
            if marker.is_symlink() or not marker.is_file():
                if any(path.name.lower() not in DISPLAY_FILES for path in root.iterdir()):
                    raise RefusedError(
                        f'The folder "{root}" is not empty and not a gallery.',
                        "Choose another with -o: a new or empty folder, or an earlier gallery.",
                    )
                with marker.open("x", encoding="utf-8") as file:
                    file.write(_ABOUT)
            stack.enter_context(_lock(marker))
            for part in (_THUMBS, _FULLS):
                _refuse_link(root / part)
                (root / part).mkdir(exist_ok=True)
        yield Folder(root, thumbs_only=thumbs_only)


def _refuse_link(folder: Path) -> None:
    """Raise RefusedError for a link, as files would be written and deleted in another folder."""
    if folder.is_symlink():
        raise RefusedError(
            f'"{folder}" is a link; a gallery is only written to a folder itself.',
            "Name the folder with -o, or remove the link.",
        )


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RefusedError(
            f'"{error.filename or path}" cannot be written: {error.strerror or error}.',
            "Check its permissions and the free space, or choose another folder with -o.",
        ) from error


@contextlib.contextmanager
def _lock(marker: Path) -> Iterator[None]:
    """Lock the folder, because two runs at once would delete each other's pictures."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with marker.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(
                f'Another `labelctl gallery` is writing to "{marker.parent}".',
                "Wait until it has finished, or choose another folder with -o.",
            ) from None
        except OSError:
            pass  # the file system does not support locks
        yield
