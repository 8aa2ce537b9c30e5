"""Uploading: finding files, their keys, and the results."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from PIL import Image

from labelctl.errors import AccessDeniedError, CredentialsError
from labelctl.photos import upload
from labelctl.photos.upload import Candidate
from labelctl.render.drawing import save


def jpeg(shade: int = 0, size: int = 80) -> bytes:
    file = io.BytesIO()
    Image.new("L", (size, size), shade).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Create photos with given names in the working folder."""
    monkeypatch.chdir(tmp_path)

    def make(*names: str) -> Path:
        for number, name in enumerate(names):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(number))
        return tmp_path

    return make


def keys(*paths, prefix=""):
    return [found.key for found in upload.find([Path(path) for path in paths], prefix)]


def send(s3, bucket, *paths, prefix=""):
    candidates = upload.find([Path(path) for path in paths], prefix)
    return list(upload.upload(s3, bucket, candidates))


def outcomes(results):
    return [(result.key, result.outcome) for result in results]


# ---- finding


def test_keys_are_file_names_or_paths_relative_to_the_folder(folder):
    folder("summer/beach.jpg", "summer/sea/wave.jpg", "dog.jpg")
    assert keys("dog.jpg") == ["dog.jpg"]
    assert keys("summer/sea/wave.jpg") == ["wave.jpg"]
    assert keys("summer") == ["beach.jpg", "sea/wave.jpg"]
    assert keys(".") == ["dog.jpg", "summer/beach.jpg", "summer/sea/wave.jpg"]
    assert keys("dog.jpg", "summer/sea") == ["dog.jpg", "wave.jpg"]
    assert keys("summer", prefix="2030/") == ["2030/beach.jpg", "2030/sea/wave.jpg"]


def test_keys_do_not_contain_absolute_or_parent_paths(folder):
    here = folder("a/b/c.jpg")
    assert keys(here / "a") == ["b/c.jpg"]
    assert keys("a/../a/b") == ["c.jpg"]
    assert keys("./a/b/c.jpg") == ["c.jpg"]


def test_hidden_files_and_non_images_are_skipped(folder):
    here = folder(".hidden.jpg", ".git/x.jpg", "a/.DS_Store", "a/seen.jpg")
    (here / "notes.txt").write_text("hello")
    (here / "broken.png").write_bytes(b"")
    (here / "photo-without-a-suffix").write_bytes(jpeg())
    assert keys(".") == ["a/seen.jpg", "broken.png", "photo-without-a-suffix"]


def test_galleries_and_drawings_are_skipped(folder):
    here = folder("beach.jpg", "b-labels.jpg", "gallery/photos/1.jpg", "photos/2.jpg")
    (here / "gallery" / ".labelctl-gallery").touch()
    for name in ("c-labels.jpg", "photos/c-labels.png", "photos/boxes.png", "boxes.jpg"):
        save.save(Image.new("RGB", (90, 90)), here / name)
    assert keys(".") == ["b-labels.jpg", "beach.jpg", "photos/2.jpg"]
    assert keys("c-labels.jpg") == ["c-labels.jpg"]


def test_files_given_by_name_are_never_skipped(folder):
    folder(".hidden.jpg")
    Path("notes.txt").write_text("hello")
    assert keys(".hidden.jpg", "notes.txt") == [".hidden.jpg", "notes.txt"]


def test_links_to_files_are_followed_but_not_links_to_folders(folder):
    here = folder("real/a.jpg")
    (here / "real/loop").symlink_to(here, target_is_directory=True)
    (here / "real/b.jpg").symlink_to(here / "real/a.jpg")
    assert keys("real") == ["a.jpg", "b.jpg"]


def test_linked_folder_given_by_name_is_searched(folder):
    here = folder("real/a.jpg")
    (here / "link").symlink_to(here / "real", target_is_directory=True)
    assert keys("link") == ["a.jpg"]


def test_unusual_names_are_kept(folder):
    names = ["[bold]x.jpg", "a b+c%20.jpg", "line\nbreak.jpg", "é 💚.jpg", "~.jpg"]
    folder(*names)
    assert keys(".") == sorted(names)


def test_deeply_nested_folder(folder):
    deep = "d/" * 200 + "a.jpg"
    folder(deep)
    assert keys(".") == [deep]


def test_second_file_with_the_same_key_clashes(folder):
    folder("a/x.jpg", "b/x.jpg")
    first, second = upload.find([Path("a"), Path("b")])
    assert (first.key, first.clash) == ("x.jpg", None)
    assert (second.key, second.clash) == ("x.jpg", Path("a/x.jpg"))


def test_file_given_twice_is_found_once(folder):
    folder("a/x.jpg")
    assert keys("a/x.jpg", "a/x.jpg", "a", "./a") == ["x.jpg"]


def test_inaccessible_path_is_reported_and_the_rest_continues(folder, s3, bucket):
    folder("good.jpg")
    results = send(s3, bucket, "n" * 300, "none.jpg", "good.jpg")
    assert [result.outcome for result in results] == ["refused", "refused", "uploaded"]
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

    monkeypatch.setattr(upload.os, "scandir", refuse)
    results = send(s3, bucket, ".")
    assert outcomes(results) == [
        ("a.jpg", "uploaded"),
        ("locked", "refused"),
        ("z.jpg", "uploaded"),
    ]


def test_vanished_folder_is_reported(folder):
    here = folder("a/x.jpg", "b/x.jpg")
    found = upload.find([here])
    assert next(found).key == "a/x.jpg"
    shutil.rmtree(here / "b")
    assert [candidate.key for candidate in found] == ["b"]


def test_pipe_in_a_folder_does_not_block(folder):
    here = folder("a.jpg")
    os.mkfifo(here / "pipe")
    assert keys(".") == ["a.jpg"]


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


def test_refused_files_do_not_stop_the_rest(folder, s3, bucket):
    here = folder("a.jpg", "c.jpg", "e.jpg")
    (here / "b.jpg").write_text("no picture")
    (here / "d.png").write_bytes(b"")
    results = send(s3, bucket, ".")
    assert outcomes(results) == [
        ("a.jpg", "uploaded"),
        ("b.jpg", "refused"),
        ("c.jpg", "uploaded"),
        ("d.png", "refused"),
        ("e.jpg", "uploaded"),
    ]
    assert results[3].reason == "It is empty."
    assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == 3


def test_clashing_file_is_refused_and_the_first_is_kept(folder, s3, bucket):
    folder("a/x.jpg", "b/x.jpg")
    first, second = send(s3, bucket, "a", "b")
    assert (first.outcome, second.outcome) == ("uploaded", "refused")
    assert second.reason == "It has the same key as a/x.jpg: x.jpg."
    body = s3.get_object(Bucket=bucket, Key="x.jpg")["Body"].read()
    assert body == Path("a/x.jpg").read_bytes()


def test_too_long_key(folder, s3, bucket):
    folder("ä.jpg")
    (result,) = send(s3, bucket, "ä.jpg", prefix="ö" * 510)
    assert result.outcome == "refused"
    assert result.reason == "Its key would be 1,026 bytes long; the maximum is 1,024."
    assert outcomes(send(s3, bucket, "ä.jpg", prefix="ö" * 509)) == [
        ("ö" * 509 + "ä.jpg", "uploaded")
    ]


def test_name_that_is_not_utf8(folder, s3, bucket):
    name = os.fsdecode(b"\xff.jpg")
    folder(name)
    (result,) = send(s3, bucket, ".")
    assert (result.key, result.outcome) == (name, "refused")
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
    results = upload.upload(s3, bucket, upload.find([Path()]))
    next(results)
    results.close()
    assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) <= 3 * upload.WORKERS
