"""The data folder's access key, which belongs to the root user of its local cloud.

Each data folder has its own random access key and secret, in a file that only its owner can read (mode
0600, in a folder of mode 0700). Every request to the local cloud is signed with this key or with one
that the emulator issued. In health checks, labelctl and its processes use the same secret to
authenticate each other without revealing it.
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
_KEY_PREFIX = "LCTL"  # unlike the keys of AWS (AKIA, ASIA)


@dataclass(frozen=True)
class Credentials:
    """An access key id of 20 characters and its secret of 40, as on AWS."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    def prove(self, *parts: object) -> str:
        """The HMAC-SHA256 of `parts` with the secret as the key, in hexadecimal."""
        message = "\0".join(map(str, parts)).encode()
        return hmac.new(self.secret_access_key.encode(), message, hashlib.sha256).hexdigest()

    def is_proof(self, proof: str, *parts: object) -> bool:
        """Whether `proof` is what `prove` returns for `parts`, compared in constant time."""
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
    """The stored credentials, or new ones, which are stored before they are returned.

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
    temporary = home / f"{FILE}.new"
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(home / FILE)
    return created
