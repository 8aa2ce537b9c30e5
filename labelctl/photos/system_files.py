"""Files and folders that systems and other programs create next to a user's photos."""

from __future__ import annotations

FOLDERS = frozenset(
    (
        *("@eadir", "#recycle", "#snapshot"),  # Synology: thumbnails, deleted files, snapshots
        *("@recycle", "@recently-snapshot"),  # QNAP
        "__macosx",  # macOS: file attributes in ZIP archives
        *("$recycle.bin", "recycler", "system volume information"),  # Windows
        "lost+found",  # Linux file systems
    )
)
"""Lower-case names of folders whose images are thumbnails or deleted photos.

Others, such as .Trash-1000 and .thumbnails, have hidden names.
"""

DISPLAY_FILES = frozenset((".ds_store", ".localized", ".directory", "thumbs.db", "desktop.ini"))
"""Lower-case names of files that file managers create in a folder to remember how to show it."""

_UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".filepart", ".tmp")
_BACKUPS = ("_original", "~", ".bak", ".orig")  # _original: ExifTool


def is_copy(name: str) -> bool:
    """Return whether a file name is that of an unfinished download or of a program's backup."""
    return name.lower().endswith((*_UNFINISHED, *_BACKUPS))
