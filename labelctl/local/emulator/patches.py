"""Where the emulator differs from AWS in what labelctl leans on, it is put right here.

Each function below mends one difference, by replacing one of ministack's inner functions in its own
process, before it starts up. ministack is pinned exactly; a test holds that each is still there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from labelctl.local.credentials import Credentials
from labelctl.local.emulator import admission, cloudwatch, iam, workers
from labelctl.local.emulator.signature import ALGORITHM


def apply(root: Credentials) -> None:
    """Make all corrections. `root` is the data folder's own access key."""
    know_one_root_key(root)
    give_workers_secrets(root)
    check_signatures_once()
    route_presigned_urls_by_their_scope()
    read_only_checksums_from_trailers()
    count_loopback_as_tls()
    let_wildcards_match_line_breaks()
    forbid_what_may_not_be_listed()
    encode_keys_in_lists_of_versions()
    filter_logs_by_any_word()
    read_concurrency_from_text()
    plan_by_conditions()
    tell_no_read_units()
    cloudwatch.publish()
    workers.end_unneeded()


def know_one_root_key(root: Credentials) -> None:
    """To the emulator, `test` and every account number are keys of the root user as well.

    The gateway admits neither. Should the emulator ever read another key out of a request than the
    one whose signature was checked, that key must not be root's. "" stands for internal calls.
    """
    from ministack.core import iam_evaluator

    iam_evaluator.is_root_access_key = lambda key: key in ("", root.access_key_id)


def give_workers_secrets(root: Credentials) -> None:
    """The emulator derives a function's secret from its ARN, which is no secret; replace it."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc, sts

    derived = lambda_runtime.execution_credentials

    def credentials(config: dict[str, Any]) -> dict[str, str]:
        guessable = derived(config)
        key = guessable["AWS_ACCESS_KEY_ID"]
        secret, token = root.prove("worker secret", key), root.prove("worker token", key)
        session = sts._sessions[key] | {"SecretAccessKey": secret, "SessionToken": token}
        sts.register_session(key, session)
        return {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_SESSION_TOKEN": token,
        }

    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = credentials


def check_signatures_once() -> None:
    """The gateway has checked every signature already, root's included, which the emulator does not."""
    from ministack import app
    from ministack.core import iam_evaluator

    def leave_out(*_: Any, **__: Any) -> None:
        iam_evaluator._signed_request.set(None)
        iam_evaluator._verified_key.set("")
        iam_evaluator._anonymous.set(False)

    app.pin_signed_request = leave_out


def route_presigned_urls_by_their_scope() -> None:
    """A presigned URL is good for the service in its credential scope only.

    The emulator would choose the service by the request's body, which S3 does not sign: whoever holds
    a link to one object could call any service as the user who made the link. [IAM User Guide,
    Elements of an AWS API request signature]
    """
    from ministack import app

    detect = app.detect_service

    def detect_by_scope(
        method: str, path: str, headers: dict[str, str], query: dict[str, list[str]]
    ) -> Any:
        credential = query.get("X-Amz-Credential")
        if credential and "authorization" not in headers:
            headers = headers | {"authorization": f"{ALGORITHM} Credential={credential[0]}"}
        return detect(method, path, headers, query)

    app.detect_service = detect_by_scope


def read_only_checksums_from_trailers() -> None:
    """The only trailers that S3 knows are checksums. [S3, Checking object integrity]

    The emulator takes every trailer for a header. Trailers are part of the body, which need not be
    signed: they could name another service, another object to copy from, or another user.
    """
    from ministack import app

    decode = app._decode_aws_chunked_body

    def decode_and_drop(body: bytes, headers: dict[str, str]) -> bytes:
        signed = set(headers)
        decoded: bytes = decode(body, headers)
        for name in headers.keys() - signed:
            if not name.startswith("x-amz-checksum-"):
                del headers[name]
        return decoded

    app._decode_aws_chunked_body = decode_and_drop


def count_loopback_as_tls() -> None:
    """What stays on this machine is as safe as TLS: policies that demand aws:SecureTransport hold."""
    import ministack.app as app
    from ministack.core import iam_evaluator

    iam_evaluator._request_origin = ContextVar("_request_origin", default=("127.0.0.1", True))
    app.pin_request_origin = lambda ip, _: iam_evaluator.pin_request_origin(ip, True)


def let_wildcards_match_line_breaks() -> None:
    """In IAM `*` stands for any characters, and an object's key may hold a line break."""
    from ministack.core import iam_evaluator

    compiled = iam_evaluator._fnmatch_compile

    def compile_any(pattern: str, ignore_case: bool) -> re.Pattern[str]:
        found = compiled(pattern, ignore_case)
        return re.compile(found.pattern, found.flags | re.DOTALL)

    iam_evaluator._fnmatch_compile = compile_any


def forbid_what_may_not_be_listed() -> None:
    """Who may not list a bucket is not told what is missing from it: 403, not 404. [S3, HeadObject]"""
    from ministack.services import s3

    looked_up = s3._head_object

    def look_up(
        bucket: str, key: str, headers: dict[str, str] | None = None, query: Any = None
    ) -> Any:
        answer = looked_up(bucket, key, headers, query)
        who = admission.access_key(headers or {})
        if answer[0] != 404 or not who:
            return answer
        allowed, _ = iam.may(who, "s3:ListBucket", f"arn:aws:s3:::{bucket}")
        return answer if allowed else s3._error("AccessDenied", "Access Denied", 403)

    s3._head_object = look_up


def encode_keys_in_lists_of_versions() -> None:
    """With encoding-type=url keys are URL-encoded; the emulator does so in other lists, but not here.

    XML has no form for characters such as U+0001, and parsers read a carriage return as a line feed:
    one such key would make the list of the whole bucket unreadable. [S3, ListObjectVersions]
    """
    from ministack.services import s3

    list_versions, to_xml = s3._list_object_versions, s3._xml_body
    encoding = ContextVar("encoding", default=False)

    def list_and_encode(bucket: str, query: dict[str, Any]) -> Any:
        token = encoding.set(s3._qp(query, "encoding-type") == "url")
        try:
            return list_versions(bucket, query)
        finally:
            encoding.reset(token)

    def encode_to_xml(root: Any) -> Any:
        if root.tag == "ListVersionsResult" and encoding.get():
            for element in root.iter():
                if element.tag in _ENCODED and element.text:
                    element.text = s3._url_encode(element.text)
            s3.SubElement(root, "EncodingType").text = "url"
        return to_xml(root)

    s3._list_object_versions = list_and_encode
    s3._xml_body = encode_to_xml


_ENCODED = {"Key", "KeyMarker", "NextKeyMarker", "Prefix", "Delimiter"}


def filter_logs_by_any_word() -> None:
    """`?one ?two` is any of the words; to the emulator it is one that holds a question mark."""
    from ministack.services import cloudwatch_logs

    compiled = cloudwatch_logs._compile_filter_pattern

    def compile_filter(pattern: str) -> Any:
        words = (pattern or "").split()
        if not words or not all(word.startswith("?") for word in words):
            return compiled(pattern)
        return lambda message: any(word[1:] in message for word in words)

    cloudwatch_logs._compile_filter_pattern = compile_filter


def read_concurrency_from_text() -> None:
    """A template's parameter is text; CloudFormation makes a number of it, the emulator does not."""
    from ministack.services import lambda_svc

    limit: Callable[..., Any] = lambda_svc._sqs_esm_concurrency

    def concurrency(esm: dict[str, Any], *about: Any) -> Any:
        scaling = esm.get("ScalingConfig") or {}
        if isinstance(scaling.get("MaximumConcurrency"), str):
            scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
        return limit(esm, *about)

    lambda_svc._sqs_esm_concurrency = concurrency


def plan_by_conditions() -> None:
    """A change set tells of no resource whose condition does not hold; the emulator tells of all."""
    from ministack.services.cloudformation import changesets

    resolved = changesets._resolve_props_for_diff

    def resolve(template: dict[str, Any], params: dict[str, Any], *stack: str) -> dict[str, Any]:
        answer: dict[str, Any] = resolved(template, params, *stack)
        if not answer:
            return answer
        holds = changesets._evaluate_conditions(template, params)
        kept = {
            name: resource
            for name, resource in answer["Resources"].items()
            if holds.get(resource.get("Condition"), True)
        }
        return {**answer, "Resources": kept}

    changesets._resolve_props_for_diff = resolve


def tell_no_read_units() -> None:
    """DynamoDB bills a read by its size; the emulator tells half a unit for any, or nothing at all."""
    from ministack.services import dynamodb

    billed = dynamodb._add_consumed_capacity

    def bill(result: Any, data: Any, table: str, write: bool = False, **more: Any) -> None:
        if write:
            billed(result, data, table, write=write, **more)

    dynamodb._add_consumed_capacity = bill
