"""Asking Rekognition for a photo's labels: which photo, at what pace, and what a refusal means.

The environment, set by the template: LABELCTL_MIN_CONFIDENCE, LABELCTL_MAX_LABELS,
LABELCTL_IMAGE_PROPERTIES.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from bucket import Bucket
from clients import ATTEMPTS, CONNECT_SECONDS, READ_SECONDS
from pacer import Pacer
from redelivery import code, is_temporary, is_throttling

from labelctl.contract import s3_events
from labelctl.contract.s3_events import PhotoEvent

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

REASONS = {
    "InvalidImageFormatException": "It is not a JPEG or PNG picture, or it is damaged.",
    "ImageTooLargeException": "It is too large: at most 15 MB and 10,000 pixels a side.",
    "InvalidParameterException": "Its size is not allowed: at least 80 pixels a side.",
    "InvalidS3ObjectException": "Rekognition cannot read it, although it is in the bucket.",
    "TooLarge": "It is too large: at most 15 MB.",
    "Empty": "It is empty.",
}
"""Errors that no repetition mends, in words. [Rekognition, DetectLabels, Errors] A right that is
missing is not among them: it is mended by whoever owns the stack, and the photo waits for that."""


class PhotoGoneError(Exception):
    """The version that an event tells of is no longer there."""


class UnlabellableError(Exception):
    """This photo can never be labelled: `error` is the code, the message a sentence."""

    def __init__(self, error: str, detail: str = "") -> None:
        super().__init__(REASONS[error] + (f" ({detail})" if detail else ""))
        self.error = error


class Recognition:
    """Rekognition, as all threads of this process ask it."""

    def __init__(self, client: RekognitionClient, bucket: Bucket) -> None:
        self._client = client
        self._bucket = bucket
        self._pacer = Pacer()

    def detect(self, event: PhotoEvent, until: float) -> Any:
        """The answer about exactly the version that the event tells of.

        Raises UnlabellableError, PhotoGoneError, and TimeoutError when Rekognition allows no call
        early enough before `until` (by time.monotonic()).
        """
        if event.size is not None and event.size > s3_events.MAX_BYTES:
            raise UnlabellableError("TooLarge")
        if event.size == 0:
            raise UnlabellableError("Empty")
        try:
            answer = self._ask(_request(event), until - CONNECT_SECONDS - READ_SECONDS)
        except ClientError as error:
            wrong = code(error)
            if wrong == "InvalidS3ObjectException" and not self._bucket.has(event):
                raise PhotoGoneError from error
            if wrong in REASONS:
                raise UnlabellableError(wrong, error.response["Error"]["Message"]) from error
            raise
        if not event.version_id and not self._bucket.has(event):
            raise PhotoGoneError  # what was read may have been another object
        return answer

    def _ask(self, request: dict[str, Any], until: float) -> Any:
        """Ask at the pace that Rekognition allows, and again after an error of its own."""
        errors = 0
        while True:
            if not self._pacer.turn(until):
                raise TimeoutError("Rekognition allows no more calls for now.")
            try:
                answer = self._client.detect_labels(**request)
                if "Labels" not in answer:
                    raise TimeoutError("Rekognition gave no answer.")
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
                return answer


def _request(event: PhotoEvent) -> dict[str, Any]:
    photo = {"Bucket": event.bucket, "Name": event.key}
    if event.version_id:
        photo["Version"] = event.version_id
    features = ["GENERAL_LABELS"]
    if os.environ["LABELCTL_IMAGE_PROPERTIES"] == "true":
        features.append("IMAGE_PROPERTIES")
    return {
        "Image": {"S3Object": photo},
        "MinConfidence": float(os.environ["LABELCTL_MIN_CONFIDENCE"]),
        "MaxLabels": int(os.environ["LABELCTL_MAX_LABELS"]),
        "Features": features,
    }
