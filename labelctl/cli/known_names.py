"""Keys and labels that commands have seen, for completion in a shell.

They are kept in the user's cache folder, in a file for each stack, profile and region. Completion
offers what is there, without asking AWS. A file that cannot be read or written changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from labelctl.cli.options import Options
from labelctl.errors import LabelctlError

_MAX = 5000
"""Keys, and labels, that are kept. Reading as many takes a few milliseconds."""


class KnownNames:
    """The names of a stack's photos and labels, latest first."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._seen: dict[str, dict[str, None]] = {"keys": {}, "labels": {}}
        self._gone: set[str] = set()

    @property
    def keys(self) -> list[str]:
        """The photos' keys, as of the last command."""
        return self._stored("keys")

    @property
    def labels(self) -> list[str]:
        """The labels' names, as of the last command."""
        return self._stored("labels")

    def add(self, *, keys: Iterable[str] = (), labels: Iterable[str] = ()) -> None:
        """Remember names until `save`."""
        for kind, names in (("keys", keys), ("labels", labels)):
            seen = self._seen[kind]
            for name in names:
                # A line of the shell's input cannot contain other characters.
                if len(seen) < _MAX and name.isprintable():
                    seen[name] = None

    def remove(self, keys: Iterable[str]) -> None:
        """Forget the keys of photos that were removed, with `save`."""
        self._gone.update(keys)

    def save(self, stack_id: str) -> None:
        """Write what was seen before what is stored, unless that is about another stack."""
        if not self._gone and not any(self._seen.values()):
            return
        old = self._content if self._content.get("stack") == stack_id else {}
        new: dict[str, Any] = {"stack": stack_id}
        for kind, seen in self._seen.items():
            names = dict.fromkeys([*seen, *_names(old, kind)])
            gone = self._gone if kind == "keys" else ()
            new[kind] = [name for name in names if name not in gone][:_MAX]
        self._write(new)

    def discard(self) -> None:
        """Delete the stored names, as their stack was deleted."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _stored(self, kind: str) -> list[str]:
        return _names(self._content, kind)

    @cached_property
    def _content(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self, content: dict[str, Any]) -> None:
        from labelctl.atomic_file import atomic_write

        with suppress(OSError, LabelctlError, UnicodeError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with atomic_write(self._path, durable=False) as file:
                file.stream.write(json.dumps(content, ensure_ascii=False).encode())

    @cached_property
    def _path(self) -> Path:
        """The file; its name depends on what selects the stack."""
        from platformdirs import user_cache_path

        options, env = self._options, os.environ.get
        if options.local:
            place = ["local", env("LABELCTL_HOME")]
        else:
            profile = options.profile or env("AWS_PROFILE")
            region = options.region or env("AWS_REGION") or env("AWS_DEFAULT_REGION")
            place = ["aws", profile, region]
        digest = hashlib.sha256(json.dumps([options.stack, *place]).encode()).hexdigest()
        return user_cache_path("labelctl", appauthor=False) / "names" / f"{digest[:32]}.json"


def _names(content: dict[str, Any], kind: str) -> list[str]:
    names = content.get(kind)
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
