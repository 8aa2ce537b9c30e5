"""Which photo is meant by a key or a path."""

from __future__ import annotations

import hashlib
import shlex
import unicodedata
from pathlib import Path

import pytest
from botocore.stub import Stubber

from labelctl.errors import PhotoNotFoundError
from labelctl.photos import content, lookup
from labelctl.photos.versions import ObjectVersion

NAMES = ("M\u00fcller.jpg", "\u00e9t\u00e9/1.jpg", "\uac00.jpg")


@pytest.fixture
def has(s3, bucket):
    def put(*keys):
        return {key: s3.put_object(Bucket=bucket, Key=key, Body=b"x") for key in keys}

    return put


@pytest.mark.parametrize(
    ("image", "key"),
    [
        ("beach.jpg", "beach.jpg"),
        ("summer/beach.jpg", "summer/beach.jpg"),
        ("photos/summer/beach.jpg", "summer/beach.jpg"),
        ("/home/me/photos/summer/beach.jpg", "summer/beach.jpg"),
        ("./summer/beach.jpg", "summer/beach.jpg"),
        ("../beach.jpg", "beach.jpg"),
        ("winter/beach.jpg", "beach.jpg"),
        ("a//b.jpg", "a//b.jpg"),
        ("[bold] a+b%20\n.jpg", "[bold] a+b%20\n.jpg"),
        ("é 💚.jpg", "é 💚.jpg"),
    ],
)
def test_the_longest_trailing_part_that_is_a_key_is_used(s3, bucket, has, image, key):
    put = has("beach.jpg", "summer/beach.jpg", "a//b.jpg", "[bold] a+b%20\n.jpg", "é 💚.jpg")
    found = lookup.resolve(s3, bucket, image)
    assert found == ObjectVersion(key, put[key]["VersionId"], put[key]["ETag"].strip('"'))


def test_a_key_may_be_as_long_as_s3_takes_it(s3, bucket, has):
    key = "ü" * 512
    has(key)
    assert lookup.resolve(s3, bucket, key).key == key
    assert [*lookup.key_candidates(key + "x")] == []


@pytest.mark.parametrize("image", ["none.jpg", "", ".", "/", "x/" * 60, "n" * 300, "\udcff.jpg"])
def test_an_unknown_photo(s3, bucket, has, image):
    has("other.jpg")
    with pytest.raises(PhotoNotFoundError) as caught:
        lookup.resolve(s3, bucket, image)
    assert caught.value.message == f'There is no photo "{image}" in the bucket.'
    assert "IMAGE is the photo's key" in caught.value.hint


@pytest.mark.parametrize("name", ["a.jpg", "a b.jpg", "$(touch owned).jpg", 'it\'s "it".jpg'])
def test_a_photo_that_is_only_here_is_to_be_uploaded(s3, bucket, tmp_path, name):
    """The command can be pasted into a shell, whatever the file is called."""
    path = tmp_path / name
    path.write_bytes(b"")
    with pytest.raises(PhotoNotFoundError) as caught:
        lookup.resolve(s3, bucket, str(path))
    first_line, _, about_prefixes = caught.value.hint.partition("\n")
    assert "--prefix" in about_prefixes
    first, _, command = first_line.partition(": ")
    assert first == "Upload it first"
    assert shlex.split(command) == ["labelctl", "upload", str(path)]
    assert command == shlex.join(["labelctl", "upload", str(path)])


def test_a_removed_photo_is_not_found(s3, bucket, has):
    has("a.jpg")
    s3.delete_object(Bucket=bucket, Key="a.jpg")
    with pytest.raises(PhotoNotFoundError):
        lookup.resolve(s3, bucket, "a.jpg")


def test_a_folder_of_the_console_is_no_photo(s3, bucket, has):
    s3.put_object(Bucket=bucket, Key="day 1/", Body=b"")
    with pytest.raises(PhotoNotFoundError, match='There is no photo "day 1/" in the bucket'):
        lookup.resolve(s3, bucket, "day 1/")
    has("day 1/")
    assert lookup.resolve(s3, bucket, "day 1/").key == "day 1/"


# ---- files on this computer


@pytest.fixture
def send(s3, bucket):
    """Puts the content of a file into the bucket."""

    def put(path, key):
        s3.put_object(Bucket=bucket, Key=key, Body=Path(path).read_bytes())

    return put


def test_file_that_was_never_uploaded_is_no_other_photo_of_that_name(s3, bucket, folder, send):
    folder("card/100CANON/1.jpg", "card/101CANON/1.jpg")
    send("card/100CANON/1.jpg", "1.jpg")
    assert lookup.resolve(s3, bucket, "card/100CANON/1.jpg").key == "1.jpg"
    with pytest.raises(PhotoNotFoundError) as caught:
        lookup.resolve(s3, bucket, "card/101CANON/1.jpg")
    hint = caught.value.hint
    assert 'The photo with the key "1.jpg" has other content.' in hint
    assert "To replace it: labelctl upload card/101CANON/1.jpg\n" in hint
    assert "To keep both, use another --prefix." in hint


def test_changed_file_can_replace_the_photo(s3, bucket, folder, has):
    folder("card/101/1.jpg")
    has("101/1.jpg")
    with pytest.raises(PhotoNotFoundError) as caught:
        lookup.resolve(s3, bucket, "card/101/1.jpg")
    assert "To replace it: labelctl upload card/101/1.jpg --prefix 101/\n" in caught.value.hint


def test_shorter_key_with_the_content_of_the_file_is_found(s3, bucket, folder, send):
    folder("b/100/1.jpg", "a/100/1.jpg")
    send("a/100/1.jpg", "100/1.jpg")
    send("b/100/1.jpg", "1.jpg")
    assert lookup.resolve(s3, bucket, "b/100/1.jpg").key == "1.jpg"


def test_the_key_itself_is_found_whatever_the_file_contains(s3, bucket, folder, has):
    folder("a/1.jpg")
    has("a/1.jpg")
    assert lookup.resolve(s3, bucket, "a/1.jpg").key == "a/1.jpg"


MD5 = hashlib.md5(b"photo").hexdigest()


@pytest.mark.parametrize(
    ("head", "same"),
    [
        ({"ETag": f'"{MD5}"'}, True),
        ({"ETag": '"0"'}, False),
        ({"ETag": '"0"', "ChecksumSHA256": content.sha256(b"photo")}, True),
        ({"ETag": f'"{MD5}"', "ChecksumSHA256": content.sha256(b"other")}, False),
        ({"ETag": '"0-2"'}, None),  # a multipart upload
        ({"ETag": '"0"', "ServerSideEncryption": "aws:kms"}, None),
        ({"ETag": '"0"', "ServerSideEncryption": "AES256"}, False),
        ({"ETag": f'"{MD5}"', "ContentLength": 6}, False),
    ],
)
def test_contents_are_compared_where_that_is_possible(s3, tmp_path, head, same):
    head = {"ContentLength": 5, **head}
    assert content.is_same(head, b"photo", content.sha256(b"photo")) is same
    (tmp_path / "a.jpg").write_bytes(b"photo")
    with Stubber(s3) as stub:
        stub.add_response("head_object", head)
        other = content.is_other_photo(s3, "photos", "a.jpg", tmp_path / "a.jpg")
    assert other is (same is False)


# ---- Unicode forms


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("stored", "asked"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_name_in_another_unicode_form_is_found(s3, bucket, has, name, stored, asked):
    key, image = unicodedata.normalize(stored, name), unicodedata.normalize(asked, name)
    assert key != image
    has(key)
    assert lookup.resolve(s3, bucket, image).key == key
    assert lookup.resolve(s3, bucket, f"album/{image}").key == key


def test_the_exact_key_comes_first(s3, bucket, has):
    keys = [unicodedata.normalize(form, NAMES[0]) for form in ("NFC", "NFD")]
    has(*keys)
    assert [lookup.resolve(s3, bucket, key).key for key in keys] == keys


def test_suggestions_are_in_the_hint(s3, bucket, has):
    has("holiday/beach.jpg")
    with pytest.raises(PhotoNotFoundError) as caught:
        lookup.resolve(s3, bucket, "beach.jpg")
    question, _, rest = caught.value.hint.partition("\n")
    assert question == 'Did you mean "holiday/beach.jpg"?'
    assert rest == "Run `labelctl images` to list the keys."
