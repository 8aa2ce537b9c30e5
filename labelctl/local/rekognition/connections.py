"""How many connections the recogniser holds open: each has a thread, and may hold half a request.

Anybody on this machine can open connections and send nothing, or nothing more. So when all places are
taken, the connection that has been waiting longest for a whole request is closed: clients open
another when they need it. A connection whose request is being answered is never closed.
"""

from __future__ import annotations

import contextlib
import socket
from threading import Lock

MOST = 128
"""Connections; the function's workers hold 40 at most."""


class Connections:
    """The open connections of a server, and which of them wait for a request. For many threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._waiting: dict[socket.socket, None] = {}  # the longest waiting first
        self._open: set[socket.socket] = set()
        self._lock = Lock()

    def admit(self, connection: socket.socket) -> bool:
        """Whether there is room for a new connection, after making some if possible."""
        with self._lock:
            if len(self._open) >= self._most:
                if not self._waiting:
                    return False
                self._close(next(iter(self._waiting)))
            self._open.add(connection)
            self._waiting[connection] = None
            return True

    def answering(self, connection: socket.socket) -> None:
        """A whole request has arrived."""
        with self._lock:
            self._waiting.pop(connection, None)

    def answered(self, connection: socket.socket) -> None:
        """The connection waits for the next request."""
        with self._lock:
            if connection in self._open:
                self._waiting[connection] = None

    def forget(self, connection: socket.socket) -> None:
        """The connection is closed."""
        with self._lock:
            self._open.discard(connection)
            self._waiting.pop(connection, None)

    def _close(self, connection: socket.socket) -> None:
        self._open.discard(connection)
        del self._waiting[connection]
        with contextlib.suppress(OSError):  # it is being closed already
            connection.shutdown(socket.SHUT_RDWR)  # its thread reads the end, and ends
