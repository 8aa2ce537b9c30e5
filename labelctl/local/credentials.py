"""The data folder's access key: the root user of its local cloud.

Each data folder has a random access key and secret of its own, in a file that only its owner can read
(mode 0600, in a folder of mode 0700). Every request to the local cloud is signed with it, or with a key
that the emulator issued. The same secret proves, in both directions, that a health check is between
labelctl and a process that labelctl started: neither side reveals it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import string
from dataclasses import dataclass, field
from pathlib import Path

FILE = "credentials.json"

_KEY_ALPHABET = string.ascii_uppercase + "234567"
_KEY_PREFIX = "LCTL"  # so that nobody takes it for a key of AWS's (AKIA, ASIA)


@dataclass(frozen=True)
class Credentials:
    """An access key id of 20 characters, as AWS's have, and its secret of 40."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    def prove(self, *parts: object) -> str:
        """A code for `parts` that only the secret's holders can compute, in hexadecimal."""
        message = "\0".join(map(str, parts)).encode()
        return hmac.new(self.secret_access_key.encode(), message, hashlib.sha256).hexdigest()

    def is_proof(self, proof: str, *parts: object) -> bool:
        """Whether `proof` is what `prove` returns for `parts`; takes the same time for all."""
        return hmac.compare_digest(proof.encode(), self.prove(*parts).encode())


def load(home: Path) -> Credentials | None:
    """The credentials stored in the data folder `home`; None if they are missing or damaged."""
    try:
        stored = json.loads((home / FILE).read_bytes())
        found = Credentials(stored["access_key_id"], stored["secret_access_key"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    usable = all(
        isinstance(value, str) and len(value) >= 20 and value.isascii() and value.isprintable()
        for value in (found.access_key_id, found.secret_access_key)
    )
    return found if usable else None


def load_or_create(home: Path) -> Credentials:
    """The stored credentials, or new ones, written before they are returned.

    The caller holds the folder's lock. Raises OSError if they cannot be written.
    """
    found = load(home)
    if found:
        (home / FILE).chmod(0o600)
        return found
    key = "".join(secrets.choice(_KEY_ALPHABET) for _ in range(16))
    created = Credentials(f"{_KEY_PREFIX}{key}", secrets.token_urlsafe(30))
    text = json.dumps(
        {"access_key_id": created.access_key_id, "secret_access_key": created.secret_access_key}
    )
    beside = home / f"{FILE}.new"
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(home / FILE)
    return created
