"""Exit codes, and the errors that a user can act on.

    LabelctlError                 base class, never raised itself
    ├── UsageError                the command line is invalid
    ├── NotFoundError
    │   ├── NotDeployedError      the stack does not exist
    │   │   └── MissingResourceError  a table, queue or bucket of the stack was deleted
    │   ├── PhotoNotFoundError    the photo is not in the bucket
    │   └── LabelNotFoundError    no photo has this label or category
    ├── RefusedError              AWS, the local cloud or the user refused, or the deploy failed
    │   ├── CredentialsError      missing, expired or invalid
    │   ├── AccessDeniedError     names the missing permission
    │   ├── DamagedItemError      another program has changed an item of the tables
    │   ├── DeployError           names the root cause
    │   └── LocalCloudError       the local cloud does not start or answer
    ├── PhotosFailedError         some photos failed; the others are done
    ├── FilesSkippedError         some files are unsuitable; the others are done
    ├── InconsistentError         bucket, tables and index do not match
    └── WaitTimeoutError          gave up waiting; the work itself may continue

The command line prints message and hint, and exits with the class's code. No other module of a
command calls `sys.exit`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    BUG = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    PROBLEMS = 5
    """Some photos failed, files were skipped, or `verify` found problems."""
    TIMED_OUT = 6
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM: 128 + SIGINT, as shells have it."""
    READER_GONE = 141
    """The reader of the output, such as `head`, has exited: 128 + SIGPIPE, as shells have it."""


@dataclass(init=False)
class Command:
    """A command that a message suggests: Command("retry", "--all"), of labelctl or another program.

    The command line prints it with those options of the run that it must repeat, such as --local;
    for the program "aws" that is --profile.
    """

    arguments: tuple[str, ...]
    program: str

    def __init__(self, *arguments: str, program: str = "labelctl") -> None:
        self.arguments = arguments
        self.program = program

    def __str__(self) -> str:
        return shlex.join([self.program, *self.arguments])


class LabelctlError(Exception):
    """An expected failure. `message` (one sentence) says what happened, `hint` what to do next.

    A hint consists of texts and commands, which are printed without spaces between them.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG
    kind: ClassVar[str] = "error"
    lead: ClassVar[str] = "Error"
    """The word before the message on a terminal and in a pipe."""

    def __init__(self, message: str, *hint: str | Command) -> None:
        super().__init__(message)
        self.message = message
        self.hint_parts = hint

    @property
    def hint(self) -> str:
        """The hint as text, in which commands have no options of the run."""
        return "".join(map(str, self.hint_parts))


class UsageError(LabelctlError):
    exit_code = ExitCode.USAGE
    kind = "usage"


class NotFoundError(LabelctlError):
    exit_code = ExitCode.NOT_FOUND
    kind = "not_found"


class NotDeployedError(NotFoundError):
    kind = "not_deployed"


class MissingResourceError(NotDeployedError):
    kind = "missing_resource"


class PhotoNotFoundError(NotFoundError):
    kind = "photo_not_found"


class LabelNotFoundError(NotFoundError):
    kind = "label_not_found"


class RefusedError(LabelctlError):
    exit_code = ExitCode.REFUSED
    kind = "refused"


class CredentialsError(RefusedError):
    kind = "credentials"


class AccessDeniedError(RefusedError):
    kind = "access_denied"


class DamagedItemError(RefusedError):
    kind = "damaged_item"


class DeployError(RefusedError):
    kind = "deploy_failed"


class LocalCloudError(RefusedError):
    kind = "local_cloud"


class PhotosFailedError(LabelctlError):
    exit_code = ExitCode.PROBLEMS
    kind = "photos_failed"


class FilesSkippedError(LabelctlError):
    """Not a failure, but scripts should notice that photos may be missing."""

    exit_code = ExitCode.PROBLEMS
    kind = "files_skipped"
    lead = "Warning"


class InconsistentError(LabelctlError):
    exit_code = ExitCode.PROBLEMS
    kind = "inconsistent"


class WaitTimeoutError(LabelctlError):
    exit_code = ExitCode.TIMED_OUT
    kind = "timed_out"
