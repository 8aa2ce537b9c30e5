"""A health check in which both sides prove that they know the data folder's secret.

A stranger may sit on a port that the local cloud used, and strangers may ask the local cloud. So
whoever asks sends a random number and a proof, and only then gets a proof back. Neither proof can be
used for another question, another process, or a request. Standard library only: `labelctl local status`
must be quick.
"""

from __future__ import annotations

import os
import secrets
from urllib.parse import parse_qs

from labelctl.local.credentials import Credentials

ENGINE = "engine"
RECOGNISER = "recogniser"


class Question:
    """A health check of the process `pid` in the role `role`, to be sent as a query string."""

    def __init__(self, credentials: Credentials, role: str, pid: int) -> None:
        self._credentials = credentials
        self._subject = (role, pid, secrets.token_hex(16))
        proof = credentials.prove("question", *self._subject)
        self.query = f"nonce={self._subject[2]}&proof={proof}"

    def is_answered_by(self, proof: object) -> bool:
        """Whether the proof in an answer is that of the process that was asked."""
        return isinstance(proof, str) and self._credentials.is_proof(
            proof, "answer", *self._subject
        )


def answer(credentials: Credentials, role: str, query: str) -> str | None:
    """This process's proof for the question in a query string; None if no holder of the secret asks."""
    fields = parse_qs(query)
    nonce, proof = fields.get("nonce", [""])[0], fields.get("proof", [""])[0]
    subject = (role, os.getpid(), nonce)
    if not credentials.is_proof(proof, "question", *subject):
        return None
    return credentials.prove("answer", *subject)
