"""Where the emulator's inner workings are joined: what changes behind its requests' backs.

ministack sends S3 notifications from threads, takes and deletes messages for Lambda from another, and
saves its state in its own way at a stop. `install` puts small wrappers around those few functions, so
that no notification is lost, the gateway hears of changes that no request made, and it alone decides
what is saved and which Lambda code is still needed. ministack is pinned
exactly; a test holds that each of these functions is still there. `may` asks its IAM evaluator.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from labelctl.local import guard, state
from labelctl.local.journal import Event, Journal

JOURNAL = "journal.json"  # in a saved state: the number of the first journal file it lacks

_DEFAULT_ACCOUNT = "000000000000"


class Notifications:
    """Delivers S3 notifications, each written into the journal first."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def send(self, event: Event, *, written: bool = False) -> None:
        """Deliver on a thread of its own, for the account and region that the event names."""
        ticket = self.journal.begin(event, written=written)

        def deliver() -> None:
            from ministack.core.responses import request_scope
            from ministack.services import s3

            try:
                with request_scope(event["account"], event["region"]):
                    s3._fire_s3_event(*event["about"], **event["options"])
            finally:
                self.journal.end(ticket)

        threading.Thread(target=deliver, daemon=True).start()

    def resend(self, saved: Path) -> None:
        """Send again what the saved state does not cover."""
        covered = saved / JOURNAL
        number = json.loads(covered.read_bytes()) if covered.exists() else 0
        for event in self.journal.since(number):
            self.send(event, written=True)


def install(
    saved: Path, blobs: Path, notifications: Notifications, mark: Callable[[], None]
) -> None:
    """Join the emulator; before it starts up. `mark` is called after a change without a request."""
    import ministack.app as app
    from ministack.core import iam_evaluator
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import cloudwatch_logs, lambda_svc, s3, sqs

    def fire(
        bucket_name: str,
        key: str,
        event_name: str,
        size: int = 0,
        etag: str = "",
        deletion_type: str | None = None,
        **options: Any,
    ) -> None:
        if bucket_name not in s3._bucket_notifications:
            return
        options["sequencer"] = s3._next_event_sequencer(event_name)
        about = [bucket_name, key, event_name, size, etag, deletion_type]
        notifications.send(
            {
                "account": get_account_id(),
                "region": get_region(),
                "about": about,
                "options": options,
            }
        )

    receive, delete = sqs._receive_messages_for_esm, sqs._delete_messages_for_esm

    def receive_and_mark(*args: Any) -> Any:
        messages = receive(*args)
        if messages:
            mark()
        return messages

    def delete_and_mark(*args: Any) -> None:
        delete(*args)
        mark()

    def concurrency(esm: dict[str, Any], *about: Any) -> Any:
        # A template's parameter is text, which CloudFormation makes a number of and ministack does not.
        scaling = esm.get("ScalingConfig") or {}
        if isinstance(scaling.get("MaximumConcurrency"), str):
            scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
        return limit(esm, *about)

    limit = lambda_svc._sqs_esm_concurrency
    lambda_svc._sqs_esm_concurrency = concurrency

    looked_up = s3._head_object

    def look_up(
        bucket: str, key: str, headers: dict[str, str] | None = None, query: Any = None
    ) -> Any:
        # Who may not list a bucket is not told what is missing from it: 403, not 404.
        answer = looked_up(bucket, key, headers, query)
        who = guard.access_key(headers or {})
        if answer[0] == 404 and who and not may(who, "s3:ListBucket", f"arn:aws:s3:::{bucket}")[0]:
            return s3._error("AccessDenied", "Access Denied", 403)
        return answer

    compiled_filter = cloudwatch_logs._compile_filter_pattern

    def compile_filter(pattern: str) -> Callable[[str], bool]:
        # `?one ?two` is any of the words, which the emulator takes for one that holds a question mark.
        words = (pattern or "").split()
        if not words or not all(word.startswith("?") for word in words):
            return compiled_filter(pattern)  # type: ignore[no-any-return]
        return lambda message: any(word[1:] in message for word in words)

    def load() -> None:
        state.restore(saved)
        notifications.resend(saved)

    # What stays on this machine is as safe as TLS: policies that demand aws:SecureTransport are met.
    iam_evaluator._request_origin = ContextVar("_request_origin", default=("127.0.0.1", True))
    app.pin_request_origin = lambda ip, _: iam_evaluator.pin_request_origin(ip, True)
    # In IAM `*` stands for any characters, and a key may hold a line break; not so in the evaluator.
    compiled = iam_evaluator._fnmatch_compile
    iam_evaluator._fnmatch_compile = lambda pattern, ignore_case: re.compile(
        (found := compiled(pattern, ignore_case)).pattern, found.flags | re.DOTALL
    )
    s3._fire_s3_event_async = fire
    s3._head_object = look_up
    cloudwatch_logs._compile_filter_pattern = compile_filter
    sqs._receive_messages_for_esm = receive_and_mark
    sqs._delete_messages_for_esm = delete_and_mark
    lambda_svc.CODE_BLOB_DIR = str(blobs)
    lambda_svc._prune_orphan_code_blobs = lambda _: None
    app._load_persisted_state = load
    app.save_all = lambda _: None


def is_worker(access_key: str) -> bool:
    """Whether this is the key of a running Lambda function rather than of a client."""
    if not access_key.startswith("ASIA"):
        return False
    from ministack.services import sts

    session = sts._sessions.get(access_key)
    return session is not None and "Expiration" not in session


def may(access_key: str, action: str, resource: str) -> tuple[bool, str]:
    """Whether the key's principal may do this, by its policies; and that principal's ARN.

    Root keys (`test`, 12-digit account numbers) may do anything, as in AWS. An unknown key may do
    nothing and has no ARN ("").
    """
    from ministack.core import iam_evaluator as iam
    from ministack.core.responses import get_region

    account = iam.find_iam_access_key_account(access_key) or (
        access_key if access_key.isdigit() and len(access_key) == 12 else _DEFAULT_ACCOUNT
    )
    principal = iam.resolve_principal(access_key, account)
    if isinstance(principal, iam.AuthError):
        return False, ""
    if principal.policies is None:
        return bool(access_key), principal.arn
    context = iam.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        principal_keys=principal.keys,
    )
    verdict = iam.evaluate(context, principal.policies, *principal.limits)
    return verdict.decision == "Allow", principal.arn
