"""What a request to the local cloud is: refused, a read, or a change; judged from its head alone.

The emulator behind the gateway answers whoever asks, and has an admin interface without any
authentication. So the gateway keeps out web pages, first of all: browsers mark their requests with
`Origin` or `Sec-Fetch-Site` (W3C Fetch Metadata), and a host name that somebody points at 127.0.0.1
(DNS rebinding) is not a loopback name. A browser may only open S3 objects by presigned URLs, as the
links in a gallery need. Whether the signature holds is `signature`'s to say.

The rest are AWS calls. Those that change something are distinguished from those that only look by
their verb, since a change is answered only once it is safe on disk. Pure functions over strings: no
emulator, no sockets.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

_LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_PATH = re.compile(r"/[!\"$-~]*")  # any visible ASCII character, but not the fragment's mark
_ADMIN = ("/_ministack/", "/_localstack/", "/_aws/")
# CloudFormation hands these two to what it waits for; each URL ends in a secret token.
RESPONSE, SIGNAL = "/_ministack/cfn-response/", "/_ministack/cfn-signal/"

# The verbs of AWS operations that change nothing. ReceiveMessage is not one: it hides the message.
_LOOKING = re.compile(
    r"(Get|List|Describe|Query|Scan|BatchGet|Head|Simulate|Validate|Filter|Lookup)"
)
_LOOKING_TOO = frozenset({"TransactGetItems", "TestMetricFilter", "EstimateTemplateCost"})
_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/[^/]+/([^/]+)/aws4_request")
_FORM_ACTION = re.compile(rb"(?:^|&)Action=(\w+)")


@dataclass(frozen=True)
class Request:
    """The head of a request.

    `path` and `query` are as sent, still encoded; `headers` has lower-case names, and several values
    of one name joined by commas.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


class Effect(enum.Enum):
    """What answering a request calls for."""

    READ = "answer at once"
    SEEN = "tells of rows or messages, which are to be saved before they are seen"
    OBJECT = "an object may change: that is on disk already, its notification in the journal"
    DATA = "messages, rows or buckets may change"
    REST = "anything else may change: stacks, functions, roles"


def refusal(request: Request) -> str | None:
    """Why this request is refused whoever signed it; None if it is not."""
    headers = request.headers
    if not is_loopback(headers.get("host", "")) or not request.path.startswith("/"):
        return "The local cloud answers to localhost only."
    if not _PATH.fullmatch(request.path):
        # A URL's parser would drop some of it, and the rest would be what the signature is checked for.
        return "The path of the request is not URL-encoded."
    if "origin" in headers:
        return "The local cloud does not answer web pages."
    # Chromium sends what a page has it prefetch with `Sec-Fetch-Site: none`, as if it were typed.
    of_page = headers.get("sec-fetch-site", "none") != "none" or "sec-purpose" in headers
    if of_page and not _opens_object(request):
        return "The local cloud does not answer web pages."
    path = unquote(request.path)
    if f"{path}/".startswith(_ADMIN) and not is_callback(request):
        return "The emulator's admin interface is closed."
    return None


def is_loopback(host: str) -> bool:
    """Whether a `Host` header is a loopback name, with any port: proxies forward their own."""
    return _LOOPBACK.fullmatch(host) is not None


def is_callback(request: Request) -> bool:
    """Whether this is an unsigned call that CloudFormation asked for, by a secret URL."""
    return request.method == "PUT" and request.path.startswith((RESPONSE, SIGNAL))


def effect(request: Request, body_start: bytes = b"") -> Effect:
    """What the request may change. `body_start` matters only for form posts (`Action=…`)."""
    target = request.headers.get("x-amz-target", "")
    called = service(request)
    data = called == "s3" or target.startswith(("AmazonSQS.", "DynamoDB_"))
    changed = Effect.DATA if data else Effect.REST
    if called == "cloudformation" or target.startswith("CloudFormation"):
        # Stacks change in the background: even an answer that only looks tells of a change.
        return changed
    if target:
        if not _only_looks(target.rpartition(".")[2]):
            return changed
        return Effect.SEEN if data else Effect.READ
    if request.method in ("GET", "HEAD", "OPTIONS"):
        action = parse_qs(request.query).get("Action", [""])[0]
        return changed if action and not _only_looks(action) else Effect.READ
    if is_form(request.headers) and called != "s3":
        found = _FORM_ACTION.search(body_start)
        if found and _only_looks(found[1].decode()):
            return Effect.READ
    return Effect.OBJECT if called == "s3" and _names_objects(request) else changed


def is_form(headers: Mapping[str, str]) -> bool:
    """Whether the request names its action in a form body (IAM, STS, CloudFormation)."""
    return headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def access_key(headers: Mapping[str, str]) -> str:
    """The access key that a signed request names, "" for one that is presigned or not signed."""
    found = _SCOPE.search(headers.get("authorization", ""))
    return found[1] if found else ""


def service(request: Request) -> str:
    """The service that the request is signed for, such as `s3`; "" if it is not signed."""
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


def _only_looks(action: str) -> bool:
    return action in _LOOKING_TOO or _LOOKING.match(action) is not None
