"""A health check with mutual authentication: both sides prove that they know the folder's secret.

Another program may have taken the local cloud's port, and any program may query the local cloud. So
the client sends a nonce with a proof, and only then does the server return its own proof. A proof is
not valid for any other health check, process or request. Standard library only, so that `labelctl local
status` is fast.
"""

from __future__ import annotations

import os
import secrets
from urllib.parse import parse_qs

from labelctl.local.credentials import Credentials

ENGINE = "engine"
RECOGNISER = "recogniser"


class Challenge:
    """The client's side of a health check of process `pid` in `role`; `query` is a query string."""

    def __init__(self, credentials: Credentials, role: str, pid: int) -> None:
        self._credentials = credentials
        self._subject = (role, pid, secrets.token_hex(16))
        proof = credentials.prove("question", *self._subject)
        self.query = f"nonce={self._subject[2]}&proof={proof}"

    def is_met_by(self, proof: object) -> bool:
        """Whether `proof`, taken from the answer, is that of the process and role."""
        return isinstance(proof, str) and self._credentials.is_proof(
            proof, "answer", *self._subject
        )


def answer(credentials: Credentials, role: str, query: str) -> str | None:
    """This process's proof for a challenge; None if the client does not know the secret."""
    fields = parse_qs(query)
    nonce, proof = fields.get("nonce", [""])[0], fields.get("proof", [""])[0]
    subject = (role, os.getpid(), nonce)
    if not credentials.is_proof(proof, "question", *subject):
        return None
    return credentials.prove("answer", *subject)
