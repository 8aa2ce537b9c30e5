"""Calling Rekognition to detect the labels of a photo.

Environment variables, set by the template: LABELCTL_MIN_CONFIDENCE, LABELCTL_MAX_LABELS,
LABELCTL_IMAGE_PROPERTIES, LABELCTL_CALLS_PER_SECOND, LABELCTL_CONCURRENCY.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from labelctl.contract import s3_events
from labelctl.contract.s3_events import PhotoEvent
from labeller.bucket import Bucket
from labeller.clients import ATTEMPTS, CONNECT_SECONDS, READ_SECONDS
from labeller.pacer import Pacer
from labeller.redelivery import code, is_temporary, is_throttling

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

UNREADABLE = "InvalidS3ObjectException"
"""Rekognition's error code if S3 refuses it the photo, whatever the cause: new permissions or a new
bucket need minutes to take effect, and a bucket policy or an encryption key may be corrected."""

REASONS = {
    "InvalidImageFormatException": "It is not a JPEG or PNG image, or it is damaged.",
    "ImageTooLargeException": "It is too large (maximum 15 MB and 10,000 pixels per side).",
    "InvalidParameterException": "Its size is not allowed (minimum 80 pixels per side).",
    UNREADABLE: "Rekognition cannot read it, although it is in the bucket.",
    "TooLarge": "It is too large (maximum 15 MB).",
    "Empty": "It is empty.",
}
"""Reasons for permanent errors. [Rekognition, DetectLabels, Errors] Missing permissions are not
permanent: photos wait until the stack's owner grants them."""


class PhotoGoneError(Exception):
    """The version in the event no longer exists."""


class UnlabellableError(Exception):
    """The photo can never be labelled. `error` is a code; the message is a sentence."""

    def __init__(self, error: str, detail: str = "") -> None:
        super().__init__(REASONS[error] + (f" ({detail})" if detail else ""))
        self.error = error


class Recognition:
    """Calls Rekognition for all threads of the process, with the settings in `environ`."""

    def __init__(
        self, client: RekognitionClient, bucket: Bucket, environ: Mapping[str, str]
    ) -> None:
        self._client = client
        self._bucket = bucket
        quota, instances = environ["LABELCTL_CALLS_PER_SECOND"], environ["LABELCTL_CONCURRENCY"]
        self._pacer = Pacer(float(quota) / int(instances))
        features = ["GENERAL_LABELS"]
        if environ["LABELCTL_IMAGE_PROPERTIES"] == "true":
            features.append("IMAGE_PROPERTIES")
        self._settings = {
            "MinConfidence": float(environ["LABELCTL_MIN_CONFIDENCE"]),
            "MaxLabels": int(environ["LABELCTL_MAX_LABELS"]),
            "Features": features,
        }

    def detect(self, event: PhotoEvent, until: float, *, is_last: bool = True) -> Any:
        """Return the DetectLabels response for exactly the version in the event.

        Raises UnlabellableError, PhotoGoneError, and TimeoutError if Rekognition's quota allows no
        call early enough before `until` (time.monotonic()). A photo that is UNREADABLE counts as
        unlabellable only in the last attempt; before, ClientError is raised.
        """
        if event.size is not None and event.size > s3_events.MAX_BYTES:
            raise UnlabellableError("TooLarge")
        if event.size == 0:
            raise UnlabellableError("Empty")
        photo = {"Bucket": event.bucket, "Name": event.key}
        if event.version_id:
            photo["Version"] = event.version_id
        request = {"Image": {"S3Object": photo}, **self._settings}
        try:
            response = self._detect_labels(request, until - CONNECT_SECONDS - READ_SECONDS)
        except ClientError as error:
            error_code = code(error)
            if error_code == UNREADABLE:
                if not self._bucket.has(event):
                    raise PhotoGoneError from error
                if not is_last:
                    raise
            if error_code in REASONS:
                detail = error.response["Error"].get("Message") or ""
                raise UnlabellableError(error_code, detail) from error
            raise
        if not event.version_id and not self._bucket.has(event):
            raise PhotoGoneError  # Rekognition may have read another object
        return response

    def _detect_labels(self, request: dict[str, Any], until: float) -> Any:
        """Call DetectLabels at the pace that Rekognition allows; retry temporary errors."""
        errors = 0
        while True:
            if not self._pacer.turn(until):
                raise TimeoutError("Rekognition's quota is used up for now.")
            try:
                response = self._client.detect_labels(**request)
                if "Labels" not in response:
                    raise TimeoutError("Rekognition returned an empty response.")
            except Exception as error:
                if is_throttling(error):
                    self._pacer.throttled()
                    continue
                if not is_temporary(error):
                    self._pacer.passed()
                    raise
                errors += 1
                if errors == ATTEMPTS:
                    raise
            else:
                self._pacer.passed()
                return response
