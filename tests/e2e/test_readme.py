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
DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
PHOTOS = {
    "astronaut.png": "astronaut.png",
    "cat.png": "chelsea.png",
    "coffee.png": "coffee.png",
    "rocket.jpg": "rocket.jpg",
}
"""The files in the folder photos/ of the examples, and what they are copied from."""

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, list[str]]]:
    """The documents' console blocks: where each one stands, and the command lines in it."""
    found = []
    for path in DOCUMENTS:
        for match in _BLOCK.finditer(path.read_text(encoding="utf-8")):
            lines = [line[2:] for line in match[1].splitlines() if line.startswith("$ ")]
            found.append((f"{path.stem}-{len(found)}", lines))
    return found


@pytest.fixture
def reader(undeployed: User, photo: Callable[..., Path]) -> User:
    """A user with the folder photos/ and the name of a stack that is not deployed yet."""
    for name, source in PHOTOS.items():
        photo(f"photos/{name}", source)
    return undeployed


def test_the_readme_has_examples():
    lines = [line for name, lines in blocks() if name.startswith("README") for line in lines]
    assert len(lines) > 10


@pytest.mark.parametrize("lines", [pytest.param(lines, id=name) for name, lines in blocks()])
def test_the_commands_of_a_block_work_in_their_order(lines: list[str], reader: User):
    if not any(line.startswith(("labelctl deploy", "labelctl demo")) for line in lines):
        deploy(reader)
        reader("upload", "photos", "--wait", "--quiet")
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
