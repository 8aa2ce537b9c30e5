"""Uploading: what is sent, and the results."""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber

from labelctl.errors import AccessDeniedError, CredentialsError
from labelctl.photos import upload
from labelctl.photos.discovery import Candidate, Discovery
from tests.unit.photo_files import jpeg


def send(s3, bucket, *paths, prefix="", dry_run=False):
    candidates = Discovery().find([Path(path) for path in paths], prefix)
    return list(upload.upload(s3, bucket, candidates, dry_run=dry_run))


def outcomes(results):
    return [(result.key, result.outcome) for result in results]


# ---- files that cannot be read


def test_inaccessible_path_is_reported_and_the_rest_continues(folder, s3, bucket):
    folder("good.jpg")
    results = send(s3, bucket, "n" * 300, "none.jpg", "good.jpg")
    assert [result.outcome for result in results] == ["skipped", "skipped", "uploaded"]
    assert results[0].reason == "It cannot be read: File name too long."
    assert results[1].reason == "No such file or folder."
    assert results[1].size is None


def test_unreadable_folder_is_reported_and_the_rest_continues(folder, s3, bucket, monkeypatch):
    folder("a.jpg", "locked/b.jpg", "z.jpg")
    scandir = os.scandir

    def refuse(path):  # the tests may run as root
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    results = send(s3, bucket, ".")
    assert outcomes(results) == [
        ("a.jpg", "uploaded"),
        ("locked", "skipped"),
        ("z.jpg", "uploaded"),
    ]


# ---- many files


class Many:
    """Puts of many objects, which are counted."""

    def __init__(self, s3):
        self._s3, self.keys = s3, []

    def put(self, file, request, threads):
        assert file.read_bytes() == request["Body"]
        self.keys.append(request["Key"])
        return threads.submit(self._s3.put_object, **request)


def send_many(s3, bucket, many):
    candidates = Discovery().find([Path()])
    return list(upload.upload(s3, bucket, candidates, puts=many))


def calls_of(s3, *names):
    calls: Counter[str] = Counter()
    for name in names:
        s3.meta.events.register(
            f"before-call.s3.{name}", lambda model, **_: calls.update([model.name])
        )
    return calls


def test_many_photos_take_one_listing_and_no_heads(folder, s3, bucket):
    names = ["b.jpg", "b/1.jpg", "b/c/2.jpg", *(f"{number:02}.jpg" for number in range(20))]
    here = folder(*names)
    many, calls = Many(s3), calls_of(s3, "HeadObject", "ListObjectsV2")
    first = send_many(s3, bucket, many)
    assert [result.key for result in first] == sorted(names)
    assert (sorted(many.keys), calls) == (sorted(names), {"ListObjectsV2": 1})
    many.keys.clear()
    (here / "b" / "1.jpg").write_bytes(jpeg(99, size=90))
    second = send_many(s3, bucket, many)
    assert many.keys == ["b/1.jpg"]
    assert [result.outcome for result in second].count("unchanged") == 22
    assert calls == {"ListObjectsV2": 2}
    etags = {result.key: result.version.etag for result in first}
    assert all(
        result.version.etag == etags[result.key]
        for result in second
        if result.outcome == "unchanged"
    )


def test_what_a_listing_cannot_decide_is_asked_for(folder, s3, bucket):
    """The ETag after a multipart upload, or with a KMS key, is not the content's MD5."""
    names = [f"{number:02}.jpg" for number in range(20)]
    here = folder(*names)
    send_many(s3, bucket, Many(s3))
    content = (here / "07.jpg").read_bytes()
    s3.put_object(Bucket=bucket, Key="07.jpg", Body=bytes(len(content)))
    many, calls = Many(s3), calls_of(s3, "HeadObject")
    results = send_many(s3, bucket, many)
    assert (many.keys, calls) == ([], {"HeadObject": 1})
    assert results[7].outcome == "replaced"


def test_few_photos_are_asked_for_one_by_one(folder, s3, bucket):
    folder("a.jpg", "b.jpg")
    many, calls = Many(s3), calls_of(s3, "HeadObject", "ListObjectsV2")
    send_many(s3, bucket, many)
    assert (many.keys, calls) == ([], {"HeadObject": 2})


def test_many_photos_without_permission_to_list(folder, s3, bucket):
    folder(*(f"{number:02}.jpg" for number in range(20)))

    def refuse(model, **_):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, model.name)

    s3.meta.events.register("before-call.s3.ListObjectsV2", refuse)
    calls = calls_of(s3, "HeadObject")
    results = send_many(s3, bucket, Many(s3))
    assert {result.outcome for result in results} == {"uploaded"}
    assert calls == {"HeadObject": 20}


# ---- uploading


def test_photo_is_stored_with_type_and_checksum(folder, s3, bucket):
    folder("holiday photo+1.jpg")
    sent = []
    s3.meta.events.register(
        "before-call.s3.PutObject", lambda params, **_: sent.append(params["headers"])
    )
    (result,) = send(s3, bucket, "holiday photo+1.jpg", prefix="2030/")
    head = s3.head_object(Bucket=bucket, Key="2030/holiday photo+1.jpg")
    assert result.version
    assert (head["ContentType"], head["VersionId"]) == ("image/jpeg", result.version.version_id)
    assert head["ETag"] == f'"{result.version.etag}"'
    assert sent[0]["x-amz-checksum-sha256"] == sha256(Path("holiday photo+1.jpg").read_bytes())
    assert result.size == Path("holiday photo+1.jpg").stat().st_size
    body = s3.get_object(Bucket=bucket, Key=result.key)["Body"].read()
    assert body == Path("holiday photo+1.jpg").read_bytes()


def puts_of(s3):
    calls: list[str] = []
    s3.meta.events.register("before-call.s3.PutObject", lambda **_: calls.append("put"))
    return calls


def test_unchanged_photo_is_not_sent_again(folder, s3, bucket):
    folder("a.jpg")
    (first,) = send(s3, bucket, "a.jpg")
    puts = puts_of(s3)
    os.utime("a.jpg", (1, 1))  # its time does not matter
    (second,) = send(s3, bucket, "a.jpg")
    assert (second.outcome, puts) == ("unchanged", [])
    assert second.version == first.version


def sha256(content):
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def head_says(s3, content, **says):
    """Stub one HeadObject response, because moto does not store checksums."""
    stub = Stubber(s3)
    head = {"ContentLength": len(content), "ETag": '"not-an-md5"', "VersionId": "v1", **says}
    expected = {"Bucket": "photos", "Key": "a.jpg", "ChecksumMode": "ENABLED"}
    stub.add_response("head_object", head, expected)
    return stub


@pytest.mark.parametrize("kind", [{}, {"ChecksumType": "FULL_OBJECT"}])
def test_existing_photo_is_recognized_by_its_sha256(folder, s3, kind):
    folder("a.jpg")
    content = Path("a.jpg").read_bytes()
    with head_says(s3, content, ChecksumSHA256=sha256(content), **kind):
        assert outcomes(send(s3, "photos", "a.jpg")) == [("a.jpg", "unchanged")]


@pytest.mark.parametrize(
    ("kind", "digest", "etag"),
    [
        ("FULL_OBJECT", sha256(b"other"), hashlib.md5),  # SHA-256 takes precedence
        ("COMPOSITE", None, None),  # a checksum of the parts' checksums
    ],
)
def test_different_checksum_causes_an_upload(folder, s3, kind, digest, etag):
    folder("a.jpg")
    content = Path("a.jpg").read_bytes()
    head = {"ChecksumSHA256": digest or sha256(content), "ChecksumType": kind}
    if etag:
        head["ETag"] = f'"{etag(content).hexdigest()}"'
    with head_says(s3, content, **head) as stub:
        stub.add_response("put_object", {"ETag": '"new"', "VersionId": "v2"})
        assert outcomes(send(s3, "photos", "a.jpg")) == [("a.jpg", "replaced")]


def test_photo_of_another_tool_is_recognized_by_its_md5(folder, s3, bucket):
    folder("a.jpg")
    s3.put_object(Bucket=bucket, Key="a.jpg", Body=Path("a.jpg").read_bytes())
    assert "ChecksumSHA256" not in s3.head_object(
        Bucket=bucket, Key="a.jpg", ChecksumMode="ENABLED"
    )
    assert outcomes(send(s3, bucket, "a.jpg")) == [("a.jpg", "unchanged")]


def test_multipart_upload_of_another_tool_is_sent_again(folder, s3, bucket):
    folder("a.jpg")
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="a.jpg")["UploadId"]
    part = {"Bucket": bucket, "Key": "a.jpg", "UploadId": upload_id}
    etag = s3.upload_part(**part, PartNumber=1, Body=Path("a.jpg").read_bytes())["ETag"]
    s3.complete_multipart_upload(
        **part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}
    )
    assert outcomes(send(s3, bucket, "a.jpg")) == [("a.jpg", "replaced")]


@pytest.mark.parametrize("by", ["labelctl", "another tool"])
def test_different_content_of_the_same_size_is_sent(folder, s3, bucket, by):
    folder("a.jpg")
    content = Path("a.jpg").read_bytes()
    if by == "labelctl":
        send(s3, bucket, "a.jpg")
    else:
        s3.put_object(Bucket=bucket, Key="a.jpg", Body=content)
    changed = content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]
    Path("a.jpg").write_bytes(changed)
    assert outcomes(send(s3, bucket, "a.jpg")) == [("a.jpg", "replaced")]
    assert s3.get_object(Bucket=bucket, Key="a.jpg")["Body"].read() == changed


def test_removed_photo_is_sent_again(folder, s3, bucket):
    folder("a.jpg")
    send(s3, bucket, "a.jpg")
    s3.delete_object(Bucket=bucket, Key="a.jpg")
    assert outcomes(send(s3, bucket, "a.jpg")) == [("a.jpg", "uploaded")]


def test_dry_run_says_what_would_be_sent_and_sends_nothing(folder, s3, bucket):
    here = folder("changed.jpg", "new.jpg", "same.jpg")
    send(s3, bucket, "same.jpg", "changed.jpg")
    (here / "changed.jpg").write_bytes(jpeg(99))
    (here / "text.jpg").write_text("no picture")
    puts = puts_of(s3)
    results = send(s3, bucket, ".", dry_run=True)
    assert puts == []
    assert outcomes(results) == [
        ("changed.jpg", "changed"),
        ("new.jpg", "new"),
        ("same.jpg", "unchanged"),
        ("text.jpg", "skipped"),
    ]


def test_skipped_files_do_not_stop_the_rest(folder, s3, bucket):
    here = folder("a.jpg", "c.jpg", "e.jpg")
    (here / "b.jpg").write_text("no picture")
    (here / "d.png").write_bytes(b"")
    results = send(s3, bucket, ".")
    assert outcomes(results) == [
        ("a.jpg", "uploaded"),
        ("b.jpg", "skipped"),
        ("c.jpg", "uploaded"),
        ("d.png", "skipped"),
        ("e.jpg", "uploaded"),
    ]
    assert results[3].reason == "It is empty."
    assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == 3


def test_clashing_file_is_skipped_and_the_first_is_kept(folder, s3, bucket):
    folder("a/x.jpg", "b/x.jpg")
    first, second = send(s3, bucket, "a", "b")
    assert (first.outcome, second.outcome) == ("uploaded", "skipped")
    assert second.reason == "It has the same key as a/x.jpg: x.jpg."
    body = s3.get_object(Bucket=bucket, Key="x.jpg")["Body"].read()
    assert body == Path("a/x.jpg").read_bytes()


def test_too_long_key(folder, s3, bucket):
    folder("ä.jpg")
    (result,) = send(s3, bucket, "ä.jpg", prefix="ö" * 510)
    assert result.outcome == "skipped"
    assert result.reason == "Its key would be 1,026 bytes long; the maximum is 1,024."
    assert outcomes(send(s3, bucket, "ä.jpg", prefix="ö" * 509)) == [
        ("ö" * 509 + "ä.jpg", "uploaded")
    ]


def test_name_that_is_not_utf8(folder, s3, bucket):
    name = os.fsdecode(b"\xff.jpg")
    folder(name)
    (result,) = send(s3, bucket, ".")
    assert (result.key, result.outcome) == (name, "skipped")
    assert "not valid UTF-8" in result.reason


def test_results_are_in_the_order_of_the_files(folder, s3, bucket):
    names = [f"{number:03}.jpg" for number in range(40)]
    folder(*names)
    assert [result.key for result in send(s3, bucket, ".")] == names


def test_failed_upload_is_a_result(folder, s3, bucket):
    folder("a.jpg", "b.jpg", "c.jpg")

    def fail(params, **_):
        if params["Key"] == "b.jpg":
            raise EndpointConnectionError(endpoint_url="https://s3")

    s3.meta.events.register("before-parameter-build.s3.PutObject", fail)
    results = send(s3, bucket, ".")
    assert [result.outcome for result in results] == ["uploaded", "failed", "uploaded"]
    assert results[1].reason == 'Could not connect to the endpoint URL: "https://s3".'
    assert not results[1].version


def test_error_of_s3_is_explained(folder, s3):
    folder("a.jpg")
    with Stubber(s3) as stub:
        stub.add_client_error("head_object", "404", http_status_code=404)
        stub.add_client_error("put_object", "SlowDown", "slow")
        (result,) = send(s3, "photos", "a.jpg")
    assert result.outcome == "failed"
    assert "PutObject: slow" in result.reason


def test_missing_permission_stops_the_upload(folder, s3):
    folder("a.jpg")
    with Stubber(s3) as stub:
        stub.add_client_error("head_object", "404", http_status_code=404)
        stub.add_client_error(
            "put_object", "AccessDenied", "not authorized to perform: s3:PutObject"
        )
        with pytest.raises(AccessDeniedError, match="not allowed to perform s3:PutObject"):
            send(s3, "photos", "a.jpg")


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId"])
def test_rejected_credentials_stop_the_upload(folder, s3, code):
    folder("a.jpg", "b.jpg")
    with Stubber(s3) as stub:
        for _ in range(2):
            stub.add_client_error("head_object", code)
        with pytest.raises(CredentialsError):
            send(s3, "photos", ".")


def test_expired_credentials_stop_the_upload(folder, s3):
    """The response to a HEAD request has no body: its code is only the status."""
    folder("a.jpg", "b.jpg")
    with Stubber(s3) as stub:
        for _ in range(2):
            stub.add_client_error("head_object", "400", "Bad Request", http_status_code=400)
        with pytest.raises(CredentialsError, match="without giving a reason"):
            send(s3, "photos", ".")


def test_bugs_are_not_reported_as_failed_photos(folder, s3, bucket, monkeypatch):
    folder("a.jpg")
    monkeypatch.setattr(s3, "put_object", lambda **_: {}["a bug"])
    with pytest.raises(KeyError, match="a bug"):
        send(s3, bucket, "a.jpg")


def test_only_a_few_files_are_read_ahead(tmp_path, s3, bucket):
    """The files of a large folder are not all held in memory."""
    (tmp_path / "a.jpg").write_bytes(b"")
    taken = 0

    def candidates():
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield Candidate(tmp_path / "a.jpg", f"{number}.jpg")

    results = upload.upload(s3, bucket, candidates())
    furthest = max(taken - received for received, _ in enumerate(results))
    assert taken == 1000
    assert furthest <= 3 * upload.WORKERS


def test_closing_the_iterator_stops_the_upload(folder, s3, bucket):
    names = [f"{number:03}.jpg" for number in range(60)]
    folder(*names)
    results = upload.upload(s3, bucket, Discovery().find([Path()]))
    next(results)
    results.close()
    assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) <= 3 * upload.WORKERS
