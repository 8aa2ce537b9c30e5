"""The engine is killed between the two files of an object. Runs in subprocesses, as it has state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BEGIN = """
import hashlib, json, os, sys
from ministack.core.responses import request_scope
from ministack.services import s3
from labelctl.local.persistence import torn_objects

def put(content, **options):
    return s3._put_object("photos", "a b.jpg", content, {})

with request_scope("000000000000", "us-east-1"):
"""

WRITE = """
    s3._create_bucket("photos", b"", {})
    s3._bucket_versioning["photos"] = "Enabled"
    if before:
        put(before)
    lines = []
    s3._fire_s3_event_async = lambda *about, **options: lines.append((about, options))
    write = s3._atomic_write
    left = [writes]
    def killed(path, data, **more):
        if s3._VERSIONS_DIR not in path:
            if not left[0]:
                (about, options) = lines[-1]
                about = [*about, options["size"], options["etag"], None]
                print(json.dumps({"account": "000000000000", "region": "us-east-1", "about": about,
                                  "options": {"version_id": options["version_id"]}}), flush=True)
                os._exit(0)
            left[0] -= 1
        write(path, data, **more)
    s3._atomic_write = killed
    put(content)
"""

READ = """
    s3._bucket_versioning["photos"] = "Enabled"
    torn_objects.repair([event])
    for again in range(2):
        version = event["options"]["version_id"]
        found = s3._head_object("photos", "a b.jpg", {}, {"versionId": version})
        plain = s3._head_object("photos", "a b.jpg", {}, {})
        print(json.dumps([found[0], plain[0], plain[1].get("x-amz-version-id") == version]))
        torn_objects.repair([event])
    print(s3._get_object("photos", "a b.jpg", {}, {})[2].decode().partition("\\n")[0])
    versions = s3._object_versions.get(("photos", "a b.jpg")) or []
    print(*(each["is_latest"] for each in versions))
"""

LOOK = """
    s3._bucket_versioning["photos"] = "Enabled"
    print(*(each["version_id"] for each in s3._object_versions["photos", "a b.jpg"]))
"""

WITHOUT_A_BUCKET = """
    s3._buckets.pop("photos")
    torn_objects.repair([event])
"""


@pytest.fixture
def run(tmp_path: Path) -> Any:
    pytest.importorskip("ministack")

    def program(text: str, **values: Any) -> list[str]:
        given = "".join(f"    {name} = {value!r}\n" for name, value in values.items())
        clean = {
            **{"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LOG_LEVEL": "ERROR"},
            **{"S3_PERSIST": "1", "S3_DATA_DIR": str(tmp_path / "s3")},
        }
        command = [sys.executable, "-W", "ignore", "-c", BEGIN + given + text]
        done = subprocess.run(command, env=clean, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return program


@pytest.mark.parametrize("before", [b"", b"old"])
def test_a_missing_object_version_is_added(run, before):
    [line] = run(WRITE, before=before, content=b"new", writes=1)
    lines = run(READ, event=json.loads(line))
    assert [json.loads(each) for each in lines[:2]] == [[200, 200, True]] * 2
    assert lines[2:] == ["new", "False True" if before else "True"]
    [kept] = run(LOOK)
    assert kept.split()[-1] == json.loads(line)["options"]["version_id"]


@pytest.mark.parametrize("before", [b"", b"old"])
def test_an_object_that_was_not_written_stays_unchanged(run, before):
    [line] = run(WRITE, before=before, content=b"new", writes=0)
    lines = run(READ, event=json.loads(line))
    assert {json.loads(each)[0] for each in lines[:2]} <= {400, 404}
    assert lines[2:] == (
        ["old", "True"] if before else ['<?xml version="1.0" encoding="UTF-8"?>', ""]
    )


def test_an_object_of_a_deleted_bucket_is_ignored(run):
    [line] = run(WRITE, before=b"", content=b"new", writes=1)
    assert run(WITHOUT_A_BUCKET, event=json.loads(line)) == []
