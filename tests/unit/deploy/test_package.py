"""The function's zip: reproducible, and with exactly the files that Lambda needs."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from labelctl.deploy import package

ROOT = Path(__file__).parents[3]
SOURCES = [
    *(f"lambda/labeller/{path.name}" for path in sorted((ROOT / "lambda/labeller").glob("*.py"))),
    "labelctl/__init__.py",
    "labelctl/deploy/__init__.py",
    "labelctl/deploy/assets.py",
    "labelctl/deploy/package.py",
    "labelctl/contract/__init__.py",
    "labelctl/contract/s3_events.py",
    "labelctl/contract/schema.py",
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources of the zip, like another checkout."""
    for name in SOURCES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def build_in(folder: Path, **environment: str) -> package.Bundle:
    """Return what another process builds from the package in a folder."""
    script = (
        "import sys; from labelctl.deploy import package;"
        " built = package.build(); sys.stdout.buffer.write(built.sources.encode() + built.content)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,  # Python searches it before an installed labelctl
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
        timeout=60,
    )
    return package.Bundle(done.stdout[64:], done.stdout[:64].decode())


def entries(content: bytes) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return archive.infolist()


def test_zip_contains_the_function_and_the_contract():
    assert [entry.filename for entry in entries(package.build().content)] == [
        "labelctl/__init__.py",
        "labelctl/contract/__init__.py",
        "labelctl/contract/s3_events.py",
        "labelctl/contract/schema.py",
        "labeller/__init__.py",
        "labeller/bucket.py",
        "labeller/clients.py",
        "labeller/handler.py",
        "labeller/main.py",
        "labeller/pacer.py",
        "labeller/recognition.py",
        "labeller/redelivery.py",
        "labeller/store.py",
    ]


def test_sources_are_unchanged():
    with zipfile.ZipFile(io.BytesIO(package.build().content)) as archive:
        for name in archive.namelist():
            source = ROOT / (f"lambda/{name}" if name.startswith("labeller/") else name)
            assert archive.read(name) == source.read_bytes().replace(b"\r\n", b"\n")


def test_files_are_readable_by_everyone():
    for entry in entries(package.build().content):
        assert entry.create_system == 3  # otherwise the mode is ignored
        assert entry.external_attr >> 16 == 0o100644


def test_building_twice_gives_the_same_bytes():
    assert package.build() == package.build()


def test_name_does_not_depend_on_the_compression(monkeypatch):
    """Another build of zlib gives other bytes, for which a function would be updated needlessly."""
    built = package.build()
    monkeypatch.setattr(zipfile, "ZIP_DEFLATED", zipfile.ZIP_STORED)
    other = package.build()
    assert other.content != built.content
    assert other.name == built.name
    assert other.digest == hashlib.sha256(other.content).hexdigest()


def test_zip_is_small():
    assert len(package.build().content) < 30_000


def test_times_modes_and_time_zone_do_not_matter(tree):
    for number, name in enumerate(SOURCES):
        os.utime(tree / name, (1_000_000_000 + number, 1_500_000_000 + number))
        (tree / name).chmod(0o600 if number % 2 else 0o755)
    assert build_in(tree, TZ="Pacific/Auckland") == package.build()


def test_windows_line_endings_do_not_matter(tree):
    for name in SOURCES:
        text = (tree / name).read_bytes().replace(b"\r\n", b"\n")
        (tree / name).write_bytes(text.replace(b"\n", b"\r\n"))
    assert b"\r\n" in (tree / "lambda" / "labeller" / "handler.py").read_bytes()
    assert build_in(tree) == package.build()


def test_installed_package_gives_the_same_zip(tree):
    (tree / "labelctl" / "_assets").mkdir()
    (tree / "lambda").rename(tree / "labelctl" / "_assets" / "lambda")
    assert build_in(tree) == package.build()


def test_other_files_are_excluded(tree):
    for name in ("handler.pyc", "notes.txt", ".DS_Store", "handler.py.orig"):
        (tree / "lambda" / "labeller" / name).write_text("rubbish")
    (tree / "lambda" / "labeller" / "__pycache__").mkdir()
    (tree / "lambda" / "labeller" / "__pycache__" / "store.cpython-311.pyc").write_bytes(b"rubbish")
    assert build_in(tree) == package.build()


@pytest.mark.parametrize("name", ["lambda/labeller/store.py", "labelctl/contract/schema.py"])
def test_changing_one_character_changes_the_zip(name, tree):
    (tree / name).write_text((tree / name).read_text() + "#")
    assert build_in(tree).name != package.build().name
