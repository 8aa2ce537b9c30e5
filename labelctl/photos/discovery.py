"""Finding the photos to upload in files and folders."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from labelctl.photos import generated_files, system_files, validation

Reason = Literal["linked", "excluded", "hidden", "system", "copy", "generated", "other"]
"""Why something in a folder is skipped: a folder behind a link; excluded by the user; hidden; a
folder of the system; an unfinished download or backup; a gallery or drawing made by labelctl; a file
that is not an image."""


@dataclass(frozen=True)
class Candidate:
    """A file to upload, and its key. `clash` is another file that was found with the same key."""

    path: Path
    key: str
    clash: Path | None = None


@dataclass
class Skipped:
    """How many files or folders were skipped for a reason, and the first of them."""

    first: Path
    count: int = 0


@dataclass
class Discovery:
    """Finds the files to upload, and counts what it skips.

    `exclude` has shell patterns: one with a slash is compared with the path within the named folder,
    and others with each name. With `follow`, folders behind links are searched after all others, each
    folder once. When `find` has ended, `skipped` is complete, and `unmatched` has the patterns that
    matched nothing.
    """

    exclude: Sequence[str] = ()
    follow: bool = False
    skipped: dict[Reason, Skipped] = field(default_factory=dict)

    def __post_init__(self) -> None:
        normal = {each: _normal(each).removeprefix("./").strip("/") for each in self.exclude}
        self._patterns = normal  # as given, and as compared
        self.unmatched = list(normal)
        self._searched: set[tuple[int, int]] = set()  # device and inode of folders
        self._links: deque[tuple[Path, Path]] = deque()  # folders behind links, and their bases

    def again(self) -> Discovery:
        """Another one with the same options, for another search."""
        return Discovery(self.exclude, self.follow)

    def find(self, paths: Sequence[Path], prefix: str = "") -> Iterator[Candidate]:
        """Yield the files to upload, for paths of files and folders.

        The key of a file is its name; that of a file in a folder is its path relative to the folder.
        Folders are searched in the order of the keys, which is S3's. A file that is found twice,
        because its folder is named too, is yielded once. A folder that cannot be read is yielded as a
        file, so that uploading it reports the error.
        """
        several = len(paths) > 1  # otherwise no file is found twice, and keys are unique
        seen: dict[str, Path] = {}
        files: set[tuple[str, str]] = set()
        real = cache(os.path.realpath)
        for base, file in self._files(paths):
            key = prefix + "/".join(file.parts[len(base.parts) :])
            if several:
                identity = real(file.parent), file.name
                if identity in files:
                    continue
                files.add(identity)
                if (first := seen.setdefault(key, file)) is not file:
                    yield Candidate(file, key, clash=first)
                    continue
            yield Candidate(file, key)

    def _files(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
        """The files, each with the folder that its key is relative to."""
        for path in paths:
            if _is_folder(path):
                yield from ((path, file) for file in self._search(path, path))
            elif self._is_excluded(path, path.parent):
                self._skip("excluded", path)
            else:
                yield path.parent, path
        while self._links:
            folder, base = self._links.popleft()
            yield from ((base, file) for file in self._search(folder, base))

    def _search(self, top: Path, base: Path) -> Iterator[Path]:
        """The files in a folder and its subfolders."""
        folders = [self._entries(top, base)]  # a list, as folders can be nested deeper than calls
        while folders:
            found = next(folders[-1], None)
            if found is None:
                folders.pop()
                continue
            path, is_folder = found
            if is_folder:
                folders.append(self._entries(path, base))
            else:
                yield path

    def _entries(self, folder: Path, base: Path) -> Iterator[tuple[Path, bool]]:
        """The subfolders to search and the files to upload, each with whether it is a folder."""
        try:
            if self.follow and self._was_searched(folder):
                return
            with os.scandir(folder) as found:
                entries = sorted(found, key=_place)
        except OSError:
            yield folder, False
            return
        if any(entry.name == generated_files.GALLERY_MARKER for entry in entries):
            self._skip("generated", folder)
            return
        for entry in entries:
            if entry.name.lower() in system_files.DISPLAY_FILES:
                continue  # in many folders, and never photos
            path = Path(entry.path)
            is_folder = _is_folder(entry)
            if reason := self._reason_to_skip(path, base, is_folder):
                self._skip(reason, path)
            elif is_folder and entry.is_symlink():
                if self.follow:
                    self._links.append((path, base))
                else:
                    self._skip("linked", path)
            else:
                yield path, is_folder

    def _reason_to_skip(self, path: Path, base: Path, is_folder: bool) -> Reason | None:
        name = path.name
        if self._is_excluded(path, base):
            return "excluded"
        if name.startswith("."):
            return "hidden"
        if is_folder:
            return "system" if name.lower() in system_files.FOLDERS else None
        if not validation.looks_like_image(path):
            return "other"
        if system_files.is_copy(name):
            return "copy"
        return "generated" if generated_files.is_drawing(path) else None

    def _is_excluded(self, path: Path, base: Path) -> bool:
        """Return whether a pattern matches, in whichever Unicode form the names are."""
        if not self._patterns:
            return False
        name, whole = _normal(path.name), _normal(path.relative_to(base).as_posix())
        matched = [
            given
            for given, pattern in self._patterns.items()
            if fnmatchcase(whole if "/" in pattern else name, pattern)
        ]
        self.unmatched = [each for each in self.unmatched if each not in matched]
        return bool(matched)

    def _was_searched(self, folder: Path) -> bool:
        """Return whether the folder was searched before, by this path or another; note it."""
        status = folder.stat()
        identity = status.st_dev, status.st_ino
        if identity in self._searched:
            return True
        self._searched.add(identity)
        return False

    def _skip(self, reason: Reason, path: Path) -> None:
        self.skipped.setdefault(reason, Skipped(path)).count += 1


def path_exists(path: Path) -> bool:
    """Return whether a path exists, even as a broken link."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):  # no permission, or an invalid name: reading it reports the error
        return True
    return True


def _is_folder(path: Path | os.DirEntry[str]) -> bool:
    """Return whether a path leads to a folder, also through a link."""
    try:
        return path.is_dir()
    except OSError:  # no permission, or a name too long: reading it reports the error
        return False


def _place(entry: os.DirEntry[str]) -> str:
    """What entries are sorted by: the keys in a folder begin with its name and a slash."""
    return f"{entry.name}/" if _is_folder(entry) else entry.name


def _normal(text: str) -> str:
    return normalize("NFC", text)
