"""What `labelctl labels` and `labelctl show` say about the photo that they chose."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from labelctl.cli.commands.labels import note_resolved_key
from labelctl.cli.output import View
from labelctl.photos import lookup

NFC, NFD = "\u00e9.jpg", "e\u0301.jpg"


@pytest.fixture
def note(s3, bucket, folder, capsys):
    """Resolves a photo in a bucket with three, and returns what is said about it."""
    folder("100/1.jpg", "101/1.jpg", "1.jpg", "2.jpg")
    for key, path in {"1.jpg": "100/1.jpg", "2.jpg": "2.jpg", NFD: "2.jpg"}.items():
        s3.put_object(Bucket=bucket, Key=key, Body=Path(path).read_bytes())

    def say(image, quiet=False):
        session = SimpleNamespace(
            view=View("plain", quiet=quiet),
            aws=SimpleNamespace(s3=s3),
            stack=SimpleNamespace(bucket=bucket),
        )
        note_resolved_key(session, image, lookup.resolve(s3, bucket, image).key)
        return capsys.readouterr().err

    return say


@pytest.mark.parametrize("image", ["2.jpg", "./2.jpg", "100/1.jpg", NFD])
def test_nothing_is_said_about_the_photo_that_was_named(note, image):
    assert note(image) == ""


def test_file_with_other_content_than_the_photo_with_that_key(note):
    """Cameras use the same names in each folder, and the user may be in one of them."""
    said = 'The photo with the key "1.jpg" has other content than your file "1.jpg".\n'
    assert note("1.jpg") == said
    assert note("1.jpg", quiet=True) == said


def test_key_that_is_only_the_end_of_the_given_path(note):
    said = 'There is no photo "summer/2.jpg"; showing "2.jpg".\n'
    assert note("summer/2.jpg") == said
    assert note("summer/2.jpg", quiet=True) == said


def test_key_in_another_unicode_form(note):
    assert note(NFC) == f'The key "{NFD}" has another Unicode form than the name you gave.\n'
