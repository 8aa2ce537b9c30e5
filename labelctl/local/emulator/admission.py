"""Refuses requests from web pages, and classifies the others by what they may change.

The emulator answers any program and has an unauthenticated admin interface. So the gateway first
refuses requests from web pages: browsers mark them with `Origin` or `Sec-Fetch-Site` (W3C Fetch
Metadata), and a host name that an attacker points at 127.0.0.1 (DNS rebinding) is not a loopback name.
A browser may only open S3 objects with presigned URLs, which the links in a gallery need. Signatures
are checked elsewhere (signature.py).

All other requests are AWS calls. Their verb shows whether they may change something; if so, the
response has to wait until the change is on disk. This module contains only pure functions on the head
of a request: no emulator, no sockets.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

_LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_PATH = re.compile(r"/[!\"$-~]*")  # any visible ASCII character except #
_ADMIN = ("/_ministack/", "/_localstack/", "/_aws/")
# Callback URLs of CloudFormation; each ends in a secret token.
RESPONSE, SIGNAL = "/_ministack/cfn-response/", "/_ministack/cfn-signal/"

# Verbs of read-only AWS operations. Receive is not one of them: ReceiveMessage hides the message.
_READ_VERBS = re.compile(
    r"(Get|List|Describe|Query|Scan|BatchGet|Head|Simulate|Validate|Filter|Lookup)"
)
_OTHER_READS = frozenset({"TransactGetItems", "TestMetricFilter", "EstimateTemplateCost"})
_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/[^/]+/([^/]+)/aws4_request")
_FORM_ACTION = re.compile(rb"(?:^|&)Action=(\w+)")


@dataclass(frozen=True)
class Request:
    """The head of a request.

    `path` and `query` are URL-encoded, as sent. The names in `headers` are in lower case; the values of
    a repeated header are joined by commas.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


class Effect(enum.Enum):
    """What a request may read or change."""

    READ = "changes nothing and shows no items or messages"
    SEEN = "shows items or messages, which must be saved before they are shown"
    OBJECT = "may change an object, which is on disk already, its notification in the journal"
    DATA = "may change messages, items or buckets"
    REST = "may change anything else: stacks, functions, roles"


def refusal(request: Request) -> str | None:
    """Why this request is refused whoever signed it; None if it is allowed."""
    headers = request.headers
    if not is_loopback(headers.get("host", "")) or not request.path.startswith("/"):
        return "The local cloud only answers requests to localhost."
    if not _PATH.fullmatch(request.path):
        # A URL parser would drop some characters, so the signature would be checked for another path.
        return "The path of the request is not URL-encoded."
    if "origin" in headers:
        return "The local cloud does not answer web pages."
    # Chromium prefetches a page's links with `Sec-Fetch-Site: none`, like a typed URL.
    from_page = headers.get("sec-fetch-site", "none") != "none" or "sec-purpose" in headers
    if from_page and not _opens_object(request):
        return "The local cloud does not answer web pages."
    path = unquote(request.path)
    if f"{path}/".startswith(_ADMIN) and not is_callback(request):
        return "The emulator's admin interface is closed."
    return None


def is_loopback(host: str) -> bool:
    """Whether a `Host` header is a loopback name. Any port is accepted, as proxies send their own."""
    return _LOOPBACK.fullmatch(host) is not None


def is_callback(request: Request) -> bool:
    """Whether this is an unsigned call to a secret URL that CloudFormation issued."""
    return request.method == "PUT" and request.path.startswith((RESPONSE, SIGNAL))


def effect(request: Request, body_start: bytes = b"") -> Effect:
    """What the request may change. `body_start` is needed only for form posts (`Action=…`)."""
    target = request.headers.get("x-amz-target", "")
    called = service(request)
    data = called == "s3" or target.startswith(("AmazonSQS.", "DynamoDB_"))
    changed = Effect.DATA if data else Effect.REST
    if called == "cloudformation" or target.startswith("CloudFormation"):
        # Stacks change in the background, so even a read may show a change.
        return changed
    if target:
        if not _is_read(target.rpartition(".")[2]):
            return changed
        return Effect.SEEN if data else Effect.READ
    if request.method in ("GET", "HEAD", "OPTIONS"):
        action = parse_qs(request.query).get("Action", [""])[0]
        return changed if action and not _is_read(action) else Effect.READ
    if is_form(request.headers) and called != "s3":
        found = _FORM_ACTION.search(body_start)
        if found and _is_read(found[1].decode()):
            return Effect.READ
    return Effect.OBJECT if called == "s3" and _names_objects(request) else changed


def is_form(headers: Mapping[str, str]) -> bool:
    """Whether the request has a form body with its action (IAM, STS, CloudFormation)."""
    return headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def access_key(headers: Mapping[str, str]) -> str:
    """The access key in the Authorization header, "" if the request is presigned or unsigned."""
    found = _SCOPE.search(headers.get("authorization", ""))
    return found[1] if found else ""


def service(request: Request) -> str:
    """The service that the request is signed for, such as `s3`; "" if it is unsigned."""
    found = _SCOPE.search(request.headers.get("authorization", ""))
    if found:
        return found[2]
    credential = parse_qs(request.query).get("X-Amz-Credential", [""])[0].split("/")
    return credential[3] if len(credential) == 5 else ""


def _opens_object(request: Request) -> bool:
    presigned = "X-Amz-Signature" in parse_qs(request.query)
    opens = request.method in ("GET", "HEAD") and bool(_key(request))
    return presigned and opens and service(request) == "s3"


def _names_objects(request: Request) -> bool:
    return bool(_key(request)) or "delete" in parse_qs(request.query, keep_blank_values=True)


def _key(request: Request) -> str:
    return request.path.lstrip("/").partition("/")[2]


def _is_read(action: str) -> bool:
    return action in _OTHER_READS or _READ_VERBS.match(action) is not None
