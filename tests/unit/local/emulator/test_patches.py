"""Each patch fixes a difference between the emulator and AWS.

If an assertion before `patches.apply` fails, the emulator has fixed it, and the patch can be removed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import urllib.parse

from ministack import app
from ministack.core import iam_evaluator
from ministack.services import cloudwatch_logs, dynamodb, lambda_svc, s3
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers

from labelctl.local.emulator import patches
from labelctl.local.credentials import Credentials

def line_break():
    return iam_evaluator.fnmatch_iam_cs("arn:aws:s3:::b/new\\nline.jpg", "arn:aws:s3:::b/*")

def any_word():
    return cloudwatch_logs._compile_filter_pattern("?retrying ?timeout")("it is retrying")

def concurrency():
    esm = {"ScalingConfig": {"MaximumConcurrency": "7"}}
    return lambda_svc._sqs_esm_concurrency(esm, {}, {})

def planned(wanted):
    conditions = {"Wanted": {"Fn::Equals": [{"Ref": "Want"}, "yes"]}}
    resources = {"Always": {"Type": "T"}, "Maybe": {"Type": "T", "Condition": "Wanted"}}
    template = {"Conditions": conditions, "Resources": resources}
    parameters = {"Want": {"Value": wanted}}
    return list(changesets._resolve_props_for_diff(template, parameters, "a", "arn")["Resources"])

def described():
    cloudformation._stacks["a"] = {
        "StackName": "a", "StackId": "arn", "StackStatus": "CREATE_COMPLETE", "Description": "",
        "CreationTime": "now", "_template_body": "Description: Ours\\nResources: {}",
    }
    _, _, xml = handlers._ACTION_HANDLERS["DescribeStacks"]({"StackName": ["a"]})
    return b"<Description>Ours</Description>" in xml

def read_units(**more):
    answer = {}
    dynamodb._add_consumed_capacity(answer, {"ReturnConsumedCapacity": "TOTAL"}, "table", **more)
    return answer.get("ConsumedCapacity", {}).get("CapacityUnits")

def tls():
    return iam_evaluator._request_origin.get()[1]

KEYS = ["a\\x01b", "c d+é/%20", "e\\rf", "g\\ufffe", "h/\\x0b/i"]

def create_bucket():
    s3._buckets["photos"] = {"objects": {}, "region": "eu-west-1"}
    for key in KEYS:
        facts = {"version_id": "v", "is_latest": True, "last_modified": "now", "etag": "e", "size": 1}
        s3._object_versions["photos", key] = [{**facts, "is_delete_marker": "f" in key}]

def listed(**query):
    query = {name.replace("_", "-"): [value] for name, value in query.items()}
    _, _, xml = s3._list_object_versions("photos", query)
    try:
        root = s3.fromstring(xml)
    except s3.ParseError:
        return "unreadable"
    return {
        name: [urllib.parse.unquote(each.text or "") for each in root.iter(f"{{{s3.S3_NS}}}{name}")]
        for name in ("EncodingType", "Key", "Prefix", "KeyMarker", "NextKeyMarker", "Delimiter")
    }

FORM = {"content-type": "application/x-www-form-urlencoded"}

def presigned_for_s3():
    scope = ["LCTL/20260101/us-east-1/s3/aws4_request"]
    query = {"X-Amz-Credential": scope, "Action": ["CreateStack"]}
    return app.detect_service("PUT", "/photos/a.jpg", FORM, query)

def trailers():
    headers = {"content-encoding": "aws-chunked"}
    lines = ["2", "hi", "0", "x-amz-checksum-crc32:AAAAAA==", "x-amz-target:AmazonSQS.ListQueues"]
    app._decode_aws_chunked_body("\\r\\n".join([*lines, "", ""]).encode(), headers)
    return set(headers)

def roots():
    keys = ("test", "123456789012", "LCTL", "")
    return [key for key in keys if iam_evaluator.is_root_access_key(key)]

create_bucket()
assert presigned_for_s3() == "cloudformation"
assert trailers() == {"x-amz-checksum-crc32", "x-amz-target"}
assert roots() == ["test", "123456789012", ""]
assert listed(encoding_type="url") == "unreadable"
assert not line_break()
assert not any_word()
assert concurrency() == "7"
assert planned("no") == ["Always", "Maybe"]
assert not tls()
assert not described()
assert read_units() == 0.5
for module, name in (
    (app, "pin_request_origin"), (app, "pin_signed_request"), (s3, "_head_object"), (s3, "_error"),
    (lambda_svc, "execution_credentials"),
):
    assert hasattr(module, name), name
patches.apply(Credentials('LCTL', 'secret'))
assert presigned_for_s3() == "s3"
assert app.detect_service("POST", "/", FORM, {"Action": ["CreateStack"]}) == "cloudformation"
assert trailers() == {"x-amz-checksum-crc32"}
assert roots() == ["LCTL", ""]
everything = listed(encoding_type="url")
assert (everything["Key"], everything["EncodingType"]) == (sorted(KEYS), ["url"]), everything
page = listed(encoding_type="url", key_marker="a", prefix="", delimiter="\\x0b", max_keys="1")
assert page["Prefix"][-1] == "h/\\x0b", page
assert page["NextKeyMarker"] == ["h/\\x0b"], page
assert (page["KeyMarker"], page["Delimiter"]) == (["a"], ["\\x0b"]), page
assert listed() == "unreadable"  # as on S3, which provides `encoding-type` for this
assert line_break()
assert any_word()
assert cloudwatch_logs._compile_filter_pattern("retrying")("it is retrying")
assert concurrency() == 7
assert planned("no") == ["Always"]
assert planned("yes") == ["Always", "Maybe"]
assert changesets._resolve_props_for_diff({}, {}, "a", "arn") == {}
assert described()
assert read_units() is None
assert read_units(write=True, new_item={"image": {"S": "a.jpg"}}) == 1
assert tls()
app.pin_request_origin("127.0.0.1", False)
assert tls()
print("patched")
"""


def test_every_patch_fixes_a_difference_from_aws(tmp_path: Path) -> None:
    pytest.importorskip("ministack")
    clean = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    clean |= {"STATE_DIR": str(tmp_path), "LOG_LEVEL": "ERROR"}
    program = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(program, env=clean, capture_output=True, text=True, check=False)
    assert done.stdout == "patched\n", done.stderr
