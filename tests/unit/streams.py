"""Streams that stand for a terminal and for a pipe."""

from __future__ import annotations

import io


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Pipe(io.StringIO):
    encoding = "utf-8"
