"""The program that a profile's `credential_process` names: its failures name it, and show no secret."""

from __future__ import annotations

from typing import Any

import botocore.credentials
from botocore.compat import compat_shell_split
from botocore.exceptions import BotoCoreError


class CredentialProcessError(BotoCoreError):
    """A credential process failed. `profile` and `program` are names, `reason` is a clause."""

    fmt = 'The credential_process of the profile "{profile}" ({program}) {reason}'


class _ProcessProvider(botocore.credentials.ProcessProvider):
    """botocore's provider, whose errors contain what the program printed, possibly a secret."""

    def _retrieve_credentials_using(self, credential_process: str) -> Any:
        try:
            return super()._retrieve_credentials_using(credential_process)  # type: ignore[misc]
        except OSError as error:
            reason = f"could not be run: {error.strerror}"
        except Exception:
            reason = "failed, or printed no valid credentials"
        raise CredentialProcessError(
            profile=self._profile_name,  # type: ignore[attr-defined]
            program=_program(credential_process),
            reason=reason,
        )


def name_failures() -> None:
    """Have all sessions that are created from now on name the program that failed."""
    botocore.credentials.ProcessProvider = _ProcessProvider  # type: ignore[misc]


def _program(command: str) -> str:
    """The command's first word. Its arguments, and variables before it, may be secret."""
    try:
        words = compat_shell_split(command)
    except ValueError:  # no closing quotation
        words = command.split()
    return (words or [""])[0].partition("=")[0]
