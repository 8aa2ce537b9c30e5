"""Limits the recogniser's open connections, each of which has a thread.

Any program on this machine can open connections and send nothing or only part of a request. So when the
limit is reached, the connection that has waited longest for a complete request is closed; clients
reconnect when they need to. A connection is never closed while its request is handled.
"""

from __future__ import annotations

import contextlib
import socket
from threading import Lock

MAX_CONNECTIONS = 128
"""The function's workers use at most 40."""


class Connections:
    """The open connections of a server, and which of them wait for a request. Thread-safe."""

    def __init__(self, limit: int = MAX_CONNECTIONS) -> None:
        self._limit = limit
        self._waiting: dict[socket.socket, None] = {}  # longest waiting first
        self._open: set[socket.socket] = set()
        self._lock = Lock()

    def admit(self, connection: socket.socket) -> bool:
        """Whether a new connection is admitted; closes a waiting one to make room if necessary."""
        with self._lock:
            if len(self._open) >= self._limit:
                if not self._waiting:
                    return False
                self._close(next(iter(self._waiting)))
            self._open.add(connection)
            self._waiting[connection] = None
            return True

    def answering(self, connection: socket.socket) -> None:
        """Note that a complete request has arrived."""
        with self._lock:
            self._waiting.pop(connection, None)

    def answered(self, connection: socket.socket) -> None:
        """Note that the connection waits for the next request."""
        with self._lock:
            if connection in self._open:
                self._waiting[connection] = None

    def forget(self, connection: socket.socket) -> None:
        """Note that the connection is closed."""
        with self._lock:
            self._open.discard(connection)
            self._waiting.pop(connection, None)

    def _close(self, connection: socket.socket) -> None:
        self._open.discard(connection)
        del self._waiting[connection]
        with contextlib.suppress(OSError):  # it is already closed
            connection.shutdown(socket.SHUT_RDWR)  # this ends its thread
