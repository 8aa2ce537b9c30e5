"""The errors of the real service, as one exception with its HTTP status.

Codes and messages are those of Amazon Rekognition's DetectLabels, from its API reference and from
published error messages, so that clients handle them as on AWS.
"""

from __future__ import annotations


class RefusalError(Exception):
    """An error response: its code, message and HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def invalid_parameters() -> RefusalError:
    return RefusalError("InvalidParameterException", "Request has invalid parameters")


def invalid_format() -> RefusalError:
    return RefusalError("InvalidImageFormatException", "Request has invalid image format")


def too_large() -> RefusalError:
    return RefusalError("ImageTooLargeException", "Image size is too large")


def unreadable_object() -> RefusalError:
    return RefusalError(
        "InvalidS3ObjectException",
        "Unable to get object metadata from S3. "
        "Check object key, region and/or access permissions.",
    )


def access_denied(principal: str, action: str) -> RefusalError:
    return RefusalError(
        "AccessDeniedException",
        f"User: {principal} is not authorized to perform: {action} on resource: * "
        f"because no identity-based policy allows the {action} action",
    )


def throttled() -> RefusalError:
    return RefusalError("ThrottlingException", "Rate exceeded")


def internal_error() -> RefusalError:
    return RefusalError("InternalServerError", "Internal server error", status=500)
