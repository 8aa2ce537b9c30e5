"""What a request to the local cloud is: refused, a read, or a change; judged from its head alone.

The emulator behind the gateway has an admin interface without any authentication and answers
whoever asks. So the gateway lets in only what a program on this machine sends: no admin routes, no
page of a foreign web site (`Origin`), no foreign name that somebody points at 127.0.0.1 (`Host`, so
that DNS rebinding fails). The rest are AWS calls; those that change something are told from those
that only look by their verb, since a change is answered only once it is safe on disk. Pure functions
over strings: no emulator, no sockets.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ADMIN = ("/_ministack/", "/_localstack/", "/_aws/")
# CloudFormation hands these two to what it waits for; each URL ends in a secret token.
_CALLBACKS = ("/_ministack/cfn-response/", "/_ministack/cfn-signal/")

# The verbs of AWS operations that change nothing. ReceiveMessage is not one: it hides the message.
_LOOKING = re.compile(
    r"(Get|List|Describe|Query|Scan|BatchGet|Head|Simulate|Validate|Filter|Lookup)"
)
_LOOKING_TOO = frozenset({"TransactGetItems", "TestMetricFilter", "EstimateTemplateCost"})
_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/[^/]+/([^/]+)/aws4_request")
_FORM_ACTION = re.compile(rb"(?:^|&)Action=(\w+)")


class Effect(enum.Enum):
    """What answering a request calls for."""

    READ = "answer at once"
    SEEN = "tells of rows or messages, which are to be saved before they are seen"
    OBJECT = "an object may change: that is on disk already, its notification in the journal"
    DATA = "messages, rows or buckets may change"
    REST = "anything else may change: stacks, functions, roles"


def refusal(path: str, headers: Mapping[str, str]) -> str | None:
    """Why this request is not let in, or None. `headers` has lower-case names; `path` is decoded."""
    if not _is_loopback(headers.get("host", "")):
        return "The local cloud answers to localhost only."
    origin = headers.get("origin")
    if origin is not None and not _is_loopback(origin.partition("://")[2]):
        return "The local cloud does not answer web pages of other sites."
    if f"{path}/".startswith(_ADMIN) and not path.startswith(_CALLBACKS):
        return "The emulator's admin interface is closed."
    return None


def effect(
    method: str, path: str, query: str, headers: Mapping[str, str], body_start: bytes = b""
) -> Effect:
    """What the request may change. `body_start` matters only for form posts (`Action=…`)."""
    target = headers.get("x-amz-target", "")
    service = service_of(headers, query)
    data = service == "s3" or target.startswith(("AmazonSQS.", "DynamoDB_"))
    changed = Effect.DATA if data else Effect.REST
    if service == "cloudformation" or target.startswith("CloudFormation"):
        # Stacks change in the background: even an answer that only looks tells of a change.
        return changed
    if target:
        if not _only_looks(target.rpartition(".")[2]):
            return changed
        return Effect.SEEN if data else Effect.READ
    if method in ("GET", "HEAD", "OPTIONS"):
        action = parse_qs(query).get("Action", [""])[0]
        return changed if action and not _only_looks(action) else Effect.READ
    if is_form(headers) and service != "s3":
        found = _FORM_ACTION.search(body_start)
        if found and _only_looks(found[1].decode()):
            return Effect.READ
    return Effect.OBJECT if service == "s3" and _names_objects(path, query) else changed


def is_form(headers: Mapping[str, str]) -> bool:
    """Whether the request names its action in a form body (IAM, STS, CloudFormation)."""
    return headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def access_key(headers: Mapping[str, str]) -> str:
    """The access key that a signed request names, "" for one that is presigned or not signed."""
    found = _SCOPE.search(headers.get("authorization", ""))
    return found[1] if found else ""


def service_of(headers: Mapping[str, str], query: str) -> str:
    """The service that a request is signed for, such as s3; "" for one that is not signed."""
    found = _SCOPE.search(headers.get("authorization", ""))
    if found:
        return found[2]
    credential = parse_qs(query).get("X-Amz-Credential", [""])[0].split("/")
    return credential[3] if len(credential) == 5 else ""


def _names_objects(path: str, query: str) -> bool:
    _, _, key = path.lstrip("/").partition("/")
    return bool(key) or "delete" in parse_qs(query, keep_blank_values=True)


def _only_looks(action: str) -> bool:
    return action in _LOOKING_TOO or _LOOKING.match(action) is not None


def _is_loopback(netloc: str) -> bool:
    try:
        name = urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return False
    return name in _LOOPBACK or name.endswith(".localhost")
