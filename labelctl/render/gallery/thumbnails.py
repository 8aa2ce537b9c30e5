"""The folder that a gallery's pictures lie in, and how they are written there.

A file is named by a hash of its photo's key and ETag: no name of a photo ever becomes a name of a
file, a picture that is there needs no second look, and one of another photo is never taken for it.
The folder is known for ours by a marker that is there before anything else; within it only files
of such names are ever removed. Each file is written atomically, and symbolic links are never followed
out of the folder. It must not know where pictures come from, nor what is labelled on them.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labelctl.atomic_file import atomic_write, remove_abandoned
from labelctl.errors import RefusedError, UsageError
from labelctl.photos.own_files import GALLERY_MARKER

if TYPE_CHECKING:
    from PIL import Image

THUMB = 400
FULL = 1600
"""The longest side of a picture in the grid, and of a large one, in pixels."""

_ABOUT = "Made by `labelctl gallery`, which adds and removes pictures here. Safe to delete.\n"
_THUMBS, _FULLS = "thumbs", "photos"
_OURS = re.compile(r"(?P<name>[0-9a-f]{32})\.(jpg|txt)")
_RECIPE = "1"
"""Goes into each name: another one makes all pictures anew."""
_QUALITY = 82


@dataclass(frozen=True)
class Pictures:
    """A photo's pictures: where they lie, as the page names them, and the upright size in pixels.

    `full` is None where there is only a thumbnail.
    """

    thumb: str
    full: str | None
    width: int
    height: int


def name_of(key: str, etag: str | None) -> str:
    """What the files of a photo's version are called, without a suffix: 32 hexadecimal digits."""
    told = "\0".join((_RECIPE, key, etag or ""))
    return hashlib.sha256(told.encode()).hexdigest()[:32]


class Folder:
    """A gallery's folder, opened by `open_folder`. May be used by several threads.

    With `thumbs_only` it keeps no large pictures.
    """

    def __init__(self, root: Path, *, thumbs_only: bool = False) -> None:
        self.root = root
        self._thumbs_only = thumbs_only

    def find(self, name: str) -> Pictures | None:
        """The pictures of this name, or None if they are not there, or not whole."""
        from PIL import Image

        found = self._pictures(name, (0, 0))
        size = (0, 0)
        for place in filter(None, (found.thumb, found.full)):
            path = self.root / place
            if path.is_symlink():  # to a picture that must not get into the page
                return None
            try:
                with Image.open(path, formats=("JPEG",)) as picture:
                    size = picture.size
            except OSError:
                return None
        return self._pictures(name, size)

    def why_not(self, name: str) -> str | None:
        """Why there can be no pictures of this name, as `give_up` was told."""
        path = self.root / _THUMBS / f"{name}.txt"
        try:
            return None if path.is_symlink() else path.read_text("utf-8") or None
        except (OSError, ValueError):
            return None

    def longest(self) -> int:
        """The longest side of the pictures that `keep` is to be given, in pixels."""
        return THUMB if self._thumbs_only else FULL

    def keep(self, name: str, image: Image.Image) -> Pictures:
        """Write a photo's pictures, from the large one. Raises RefusedError."""
        found = self._pictures(name, image.size)
        if found.full:
            self._write_picture(found.full, image)
            image = image.copy()
            image.thumbnail((THUMB, THUMB))
        self._write_picture(found.thumb, image)  # last: with it all is there
        return found

    def give_up(self, name: str, reason: str) -> None:
        """Remember that there can be no pictures of this name. Raises RefusedError."""
        # Not durable: files are many, and one that is lost is made again.
        with atomic_write(self.root / _THUMBS / f"{name}.txt", durable=False) as file:
            file.stream.write(reason.encode())

    def sweep(self, names: Collection[str]) -> int:
        """Remove what is left of other photos than these, and of a run that was cut off.

        Returns of how many photos something was removed that are not among these.
        """
        gone = set()
        for part in (_THUMBS, _FULLS):
            with _writing(self.root / part):
                remove_abandoned(self.root / part)
                for path in (self.root / part).iterdir():
                    ours = _OURS.fullmatch(path.name)
                    if not ours:
                        continue
                    used = ours["name"] in names and not (part == _FULLS and self._thumbs_only)
                    if not used:
                        path.unlink()
                        gone.add(ours["name"])
        return len(gone.difference(names))

    def remove(self) -> None:
        """Remove what is ours, and the folder if nothing else is in it."""
        self.sweep(())
        with contextlib.suppress(OSError):
            for part in (_THUMBS, _FULLS):
                (self.root / part).rmdir()
            (self.root / GALLERY_MARKER).unlink()
            self.root.rmdir()

    def _pictures(self, name: str, size: tuple[int, int]) -> Pictures:
        full = None if self._thumbs_only else f"{_FULLS}/{name}.jpg"
        return Pictures(f"{_THUMBS}/{name}.jpg", full, *size)

    def _write_picture(self, name: str, image: Image.Image) -> None:
        with atomic_write(self.root / name, durable=False) as file:
            image.save(file.stream, "JPEG", quality=_QUALITY)


@contextlib.contextmanager
def open_folder(root: Path, *, thumbs_only: bool = False) -> Iterator[Folder]:
    """A new gallery's folder, or one of ours, kept from other runs while it is open.

    Raises UsageError for a file, RefusedError for a link, for a folder with other things in it, or for
    one that cannot be written to.
    """
    _refuse_link(root)
    if root.exists() and not root.is_dir():
        raise UsageError(
            f'"{root}" is a file, and a gallery is a folder.',
            "Choose another with -o, or add --embed for one file.",
        )
    marker = root / GALLERY_MARKER
    with contextlib.ExitStack() as held:
        with _writing(root):
            root.mkdir(parents=True, exist_ok=True)
            if marker.is_symlink() or not marker.is_file():
                if any(root.iterdir()):
                    raise RefusedError(
                        f'The folder "{root}" has other things in it than a gallery.',
                        "Choose another with -o: a new one, an empty one, or an earlier gallery.",
                    )
                with marker.open("x", encoding="utf-8") as file:
                    file.write(_ABOUT)
            held.enter_context(_alone(marker))
            for part in (_THUMBS, _FULLS):
                _refuse_link(root / part)
                (root / part).mkdir(exist_ok=True)
        yield Folder(root, thumbs_only=thumbs_only)


def _refuse_link(folder: Path) -> None:
    """Raise RefusedError for a link: another folder would be written to, and swept."""
    if folder.is_symlink():
        raise RefusedError(
            f'"{folder}" is a link to another folder, and a gallery is not written through links.',
            "Name the folder itself with -o, or remove the link.",
        )


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RefusedError(
            f'"{error.filename or path}" cannot be written: {error.strerror or error}.',
            "Make room for it, or choose another place with -o.",
        ) from error


@contextlib.contextmanager
def _alone(marker: Path) -> Iterator[None]:
    """Nobody else writes here meanwhile: two runs would remove each other's pictures."""
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
                f'Another `labelctl gallery` is at work in "{marker.parent}".',
                "Wait until it has ended, or choose another place with -o.",
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
