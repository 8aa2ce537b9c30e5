"""What can go wrong in a way that a user can act on.

    LabelctlError                 exit code 1 (never raised itself)
    ├── UsageError                2  the command line asks for something that makes no sense
    ├── NotFoundError             3
    │   ├── NotDeployedError          there is no such stack yet
    │   ├── PhotoNotFoundError        no such photo in the bucket
    │   └── LabelNotFoundError        no photo has such a label, or one in such a category
    ├── RefusedError              4  AWS (or the local cloud) refused, or the deploy failed
    │   ├── CredentialsError          none, expired, or not valid
    │   ├── AccessDeniedError         names the action that is missing
    │   ├── DeployError               names the first cause
    │   └── LocalCloudError           the engine on this machine would not start or answer
    ├── PhotosFailedError         5  some photos failed, the others are done
    ├── InconsistentError         5  the bucket and the table do not agree
    └── WaitTimeoutError          6  stopped waiting; the work itself may still go on

Each carries one sentence that names the thing, and one line that says what to do. The command line
prints both and exits with the class's code; no other module of a command calls `sys.exit`.
"""

from __future__ import annotations

from typing import ClassVar


class LabelctlError(Exception):
    """Base of all expected failures: `message` says what happened, `hint` what to do next."""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(LabelctlError):
    exit_code = 2
    kind = "usage"


class NotFoundError(LabelctlError):
    exit_code = 3
    kind = "not_found"


class NotDeployedError(NotFoundError):
    kind = "not_deployed"


class PhotoNotFoundError(NotFoundError):
    kind = "photo_not_found"


class LabelNotFoundError(NotFoundError):
    kind = "label_not_found"


class RefusedError(LabelctlError):
    exit_code = 4
    kind = "refused"


class CredentialsError(RefusedError):
    kind = "credentials"


class AccessDeniedError(RefusedError):
    kind = "access_denied"


class DeployError(RefusedError):
    kind = "deploy_failed"


class LocalCloudError(RefusedError):
    kind = "local_cloud"


class PhotosFailedError(LabelctlError):
    exit_code = 5
    kind = "photos_failed"


class InconsistentError(LabelctlError):
    exit_code = 5
    kind = "inconsistent"


class WaitTimeoutError(LabelctlError):
    exit_code = 6
    kind = "timed_out"
