"""The refusals of the real service, with its own words, as one exception that knows its HTTP status.

Names and texts are those of Amazon Rekognition's DetectLabels (the errors of its API reference and
the messages people quote from it); a client must not be able to tell from an error that it was
refused by a stand-in.
"""

from __future__ import annotations


class RefusalError(Exception):
    """A request that the service answers with an error: its code, its message, its status."""

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
