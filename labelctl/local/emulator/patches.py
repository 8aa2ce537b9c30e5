"""Fixes for differences between the emulator and AWS that matter to labelctl.

Each function fixes one difference by replacing a private function of ministack in this process, before
ministack starts. ministack is pinned exactly, and a test checks that each of these functions exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from typing import Any

from labelctl.local.credentials import Credentials
from labelctl.local.emulator import admission, cloudwatch, iam, workers
from labelctl.local.emulator.signature import ALGORITHM


def apply(root: Credentials) -> None:
    """Apply all patches. `root` is the data folder's access key."""
    know_one_root_key(root)
    give_workers_secrets(root)
    check_signatures_once()
    route_presigned_urls_by_their_scope()
    read_only_checksums_from_trailers()
    count_loopback_as_tls()
    let_wildcards_match_line_breaks()
    hide_missing_objects()
    encode_keys_in_lists_of_versions()
    filter_logs_by_any_word()
    read_concurrency_from_text()
    plan_by_conditions()
    describe_stacks_with_their_templates_description()
    omit_read_units()
    cloudwatch.publish()
    workers.end_unneeded()


def know_one_root_key(root: Credentials) -> None:
    """The emulator also accepts `test` and every account number as access keys of the root user.

    The gateway accepts neither. If the emulator ever read a different key from a request than the one
    whose signature was checked, that key must not be root's. "" is for internal calls.
    """
    from ministack.core import iam_evaluator

    iam_evaluator.is_root_access_key = lambda key: key in ("", root.access_key_id)


def give_workers_secrets(root: Credentials) -> None:
    """The emulator derives a function's secret key from its ARN, which is not secret."""
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
    """The gateway has checked every signature, including root's, which the emulator does not check."""
    from ministack import app
    from ministack.core import iam_evaluator

    def clear(*_: Any, **__: Any) -> None:
        iam_evaluator._signed_request.set(None)
        iam_evaluator._verified_key.set("")
        iam_evaluator._anonymous.set(False)

    app.pin_signed_request = clear


def route_presigned_urls_by_their_scope() -> None:
    """A presigned URL is valid only for the service in its credential scope.

    The emulator would choose the service by the request's body, which S3 does not sign. Anybody with a
    link to one object could call any service as the user who created the link. [IAM User Guide,
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
    """S3 accepts only checksums as trailers. [S3, Checking object integrity]

    The emulator treats every trailer as a header. Trailers are part of the body, which may be unsigned,
    so they could name another service, another object to copy from, or another user.
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
    """Loopback traffic is as safe as TLS, so it satisfies the condition aws:SecureTransport."""
    import ministack.app as app
    from ministack.core import iam_evaluator

    iam_evaluator._request_origin = ContextVar("_request_origin", default=("127.0.0.1", True))
    app.pin_request_origin = lambda ip, _: iam_evaluator.pin_request_origin(ip, True)


def let_wildcards_match_line_breaks() -> None:
    """In IAM, `*` matches any characters, and an object's key may contain a line break."""
    from ministack.core import iam_evaluator

    compiled = iam_evaluator._fnmatch_compile

    def compile_any(pattern: str, ignore_case: bool) -> re.Pattern[str]:
        found = compiled(pattern, ignore_case)
        return re.compile(found.pattern, found.flags | re.DOTALL)

    iam_evaluator._fnmatch_compile = compile_any


def hide_missing_objects() -> None:
    """Without s3:ListBucket, a missing object is answered with 403, not 404. [S3, HeadObject]"""
    from ministack.services import s3

    original = s3._head_object

    def head_object(
        bucket: str, key: str, headers: dict[str, str] | None = None, query: Any = None
    ) -> Any:
        answer = original(bucket, key, headers, query)
        who = admission.access_key(headers or {})
        if answer[0] != 404 or not who:
            return answer
        allowed, _ = iam.may(who, "s3:ListBucket", f"arn:aws:s3:::{bucket}")
        return answer if allowed else s3._error("AccessDenied", "Access Denied", 403)

    s3._head_object = head_object


def encode_keys_in_lists_of_versions() -> None:
    """With encoding-type=url, keys are URL-encoded. The emulator does that in other lists only.

    XML cannot represent characters such as U+0001, and parsers turn a carriage return into a line feed,
    so one such key would make the list of the whole bucket unreadable. [S3, ListObjectVersions]
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
    """`?one ?two` matches either word; the emulator would look for words with a question mark."""
    from ministack.services import cloudwatch_logs

    compiled = cloudwatch_logs._compile_filter_pattern

    def compile_filter(pattern: str) -> Any:
        words = (pattern or "").split()
        if not words or not all(word.startswith("?") for word in words):
            return compiled(pattern)
        return lambda message: any(word[1:] in message for word in words)

    cloudwatch_logs._compile_filter_pattern = compile_filter


def read_concurrency_from_text() -> None:
    """A template parameter is text. CloudFormation converts it to a number, the emulator does not."""
    from ministack.services import lambda_svc

    limit: Callable[..., Any] = lambda_svc._sqs_esm_concurrency

    def concurrency(esm: dict[str, Any], *about: Any) -> Any:
        scaling = esm.get("ScalingConfig") or {}
        if isinstance(scaling.get("MaximumConcurrency"), str):
            scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
        return limit(esm, *about)

    lambda_svc._sqs_esm_concurrency = concurrency


def plan_by_conditions() -> None:
    """A change set omits resources whose condition is false; the emulator includes them."""
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


def describe_stacks_with_their_templates_description() -> None:
    """DescribeStacks includes the template's description. [CloudFormation API, Stack]

    The emulator omits it for a stack that was created with a change set.
    """
    from ministack.services import cloudformation
    from ministack.services.cloudformation import engine, handlers

    describe: Callable[..., Any] = handlers._ACTION_HANDLERS["DescribeStacks"]

    @cache
    def description(body: str) -> Any:
        return engine._parse_template(body).get("Description", "")

    def describe_with_description(params: dict[str, Any]) -> Any:
        for stack in cloudformation._stacks.values():
            if body := stack.get("_template_body"):
                stack["Description"] = description(body)
        return describe(params)

    handlers._ACTION_HANDLERS["DescribeStacks"] = describe_with_description


def omit_read_units() -> None:
    """DynamoDB reports read units by size. The emulator reports half a unit for any read, or none."""
    from ministack.services import dynamodb

    billed = dynamodb._add_consumed_capacity

    def bill(result: Any, data: Any, table: str, write: bool = False, **more: Any) -> None:
        if write:
            billed(result, data, table, write=write, **more)

    dynamodb._add_consumed_capacity = bill
