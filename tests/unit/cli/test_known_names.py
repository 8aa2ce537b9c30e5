"""The names that commands store for completion."""

from __future__ import annotations

import stat
from types import SimpleNamespace

import pytest

from labelctl.cli import known_names
from labelctl.cli.known_names import KnownNames
from labelctl.cli.options import Options
from labelctl.cli.session import Session
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def names():
    return KnownNames(Options())


def stored():
    return KnownNames(Options())


def test_the_latest_names_come_first(names):
    names.add(keys=["a", "b"], labels=["Dog"])
    names.save("stack")
    later = stored()
    later.add(keys=["c", "b"])
    later.save("stack")
    assert (stored().keys, stored().labels) == (["c", "b", "a"], ["Dog"])


def test_removed_photos_are_forgotten(names):
    names.add(keys=["a", "b"])
    names.save("stack")
    later = stored()
    later.remove(["a", "never"])
    later.save("stack")
    assert stored().keys == ["b"]


def test_names_of_a_stack_that_was_replaced_are_forgotten(names):
    names.add(keys=["a"])
    names.save("stack 1")
    later = stored()
    later.add(keys=["b"])
    later.save("stack 2")
    assert stored().keys == ["b"]
    later.discard()
    assert stored().keys == []


def test_the_number_of_names_is_limited(names, monkeypatch):
    monkeypatch.setattr(known_names, "_MAX", 3)
    names.add(keys=["a", "b"])
    names.save("stack")
    later = stored()
    later.add(keys=["c", "d", "e", "f"])
    later.save("stack")
    assert stored().keys == ["c", "d", "e"]


def test_names_that_a_line_cannot_contain_are_left_out(names):
    names.add(keys=["a\tb", "a\nb", "a\x1b[31m", "\udcff", "é 1"])
    names.save("stack")
    assert stored().keys == ["é 1"]


def test_the_folder_is_private(names, cache):
    names.add(keys=["a"])
    names.save("stack")
    assert stat.S_IMODE((cache / "labelctl" / "names").stat().st_mode) == 0o700


@pytest.mark.parametrize("content", ["", "[]", '{"keys": 1}', '{"keys": [1]}', "\udcff"])
def test_a_damaged_file_is_replaced(names, cache, content):
    names.add(keys=["a"])
    names.save("stack")
    [file] = cache.rglob("*.json")
    file.write_text(content, errors="surrogateescape")
    assert stored().keys == []
    later = stored()
    later.add(keys=["b"])
    later.save("stack")
    assert stored().keys == ["b"]


def test_a_folder_that_cannot_be_written_changes_nothing(names, cache):
    cache.write_text("a file")
    names.add(keys=["a"])
    names.save("stack")
    names.discard()
    assert stored().keys == []


@pytest.fixture
def table(monkeypatch):
    """Photos in memory, which all commands use."""
    table = PhotoTables()

    def of(context):
        session = context.find_root().obj
        stack = SimpleNamespace(id="stack", table=PHOTOS, labels_table=LABELS, bucket="photos")
        aws = SimpleNamespace(dynamodb=table, s3=table.bucket)
        vars(session).update(aws=aws, stack=stack)
        return session

    monkeypatch.setattr(Session, "of", of)
    return table


def test_commands_store_what_they_show(table, run):
    table.put_photo("cat.jpg", {"Cat": 90, "Pet": 80})
    table.put_photo("dog.jpg", {"Dog": 90})
    assert run("images", "--prefix", "c")[0] == 0
    assert (stored().keys, stored().labels) == (["cat.jpg"], [])
    assert run("search", "dog")[0] == 0
    assert (stored().keys, stored().labels) == (["dog.jpg", "cat.jpg"], ["Dog"])
    assert run("stats")[0] == 0
    assert stored().labels == ["Cat", "Dog", "Pet"]


def test_a_command_that_reads_no_names_stores_nothing(table, run, cache):
    assert run("search", "nothing")[0] == 3
    assert not cache.exists()
