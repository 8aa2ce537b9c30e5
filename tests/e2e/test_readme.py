"""The commands in the documents work as they are written, on the local cloud."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import LABELCTL, User, deploy

CHECKOUT = Path(__file__).parents[2]
PHOTOS = {"astronaut.png": "astronaut.png", "cat.png": "chelsea.png"}
"""The files in the folder photos/ of the examples, and what they are copied from."""

DEPLOYS = ("labelctl deploy", "labelctl demo")

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: Path) -> list[list[str]]:
    """The command lines in each of a document's console blocks."""
    found = _BLOCK.findall(document.read_text(encoding="utf-8"))
    return [[line[2:] for line in block.splitlines() if line.startswith("$ ")] for block in found]


DOCUMENTS = [
    path for path in (CHECKOUT / "README.md", *sorted(CHECKOUT.glob("docs/*.md"))) if blocks(path)
]


@pytest.fixture
def reader(undeployed: User, photo: Callable[..., Path]) -> User:
    """A user with the folder photos/ and the name of a stack that is not deployed yet."""
    for name, source in PHOTOS.items():
        photo(f"photos/{name}", source)
    return undeployed


def test_the_readme_has_examples() -> None:
    assert sum(map(len, blocks(CHECKOUT / "README.md"))) > 10


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_the_commands_of_a_document_work_in_their_order(document: Path, reader: User) -> None:
    """Each block is a session of its own, with the stack and the files that the last one left."""
    there = False
    for lines in blocks(document):
        if not there and not any(line.startswith(DEPLOYS) for line in lines):
            deploy(reader)
            reader("upload", "photos", "--wait", "--quiet")
        run(lines, reader)
        there = not any(line.startswith("labelctl destroy") for line in lines)


def run(lines: list[str], reader: User) -> None:
    """Run the commands in a shell, which ends at the first one that fails."""
    if not shutil.which("jq"):
        lines = [line for line in lines if "jq " not in line]
    path = f"{LABELCTL.parent}:{reader.env['PATH']}"
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", "\n".join(lines)],
        env=reader.env | {"PATH": path},
        cwd=reader.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
