"""Links in the documents, and the paths that they name, lead to files that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
DOCUMENTS = [*sorted(CHECKOUT.glob("*.md")), *sorted((CHECKOUT / "docs").glob("*.md"))]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"`((?:labelctl|lambda|cloudformation|tests|docs|\.ci|\.github)/[\w./-]+)`")


def name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def links(text: str) -> list[str]:
    return [link for link in _LINK.findall(text) if not link.startswith("https://")]


def anchors(path: Path) -> set[str]:
    """The names that GitHub gives to a document's headings."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_to_files_and_headings(document: Path):
    for link in links(document.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        target = document.parent / file if file else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_paths_that_are_named_exist(document: Path):
    for path in _PATH.findall(document.read_text(encoding="utf-8")):
        assert (CHECKOUT / path).exists(), path


def test_the_readme_on_pypi_links_into_the_repository():
    source = PROJECT["project"]["urls"]["Source"]
    raw = source.replace("https://github.com/", "https://raw.githubusercontent.com/")
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    files = {link.split("#")[0] for link in links(readme) if not link.startswith("#")}

    published = readme
    for each in PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        published = re.sub(each["pattern"], each["replacement"], published)

    assert [link for link in links(published) if not link.startswith("#")] == []
    for file in files:
        base = f"{raw}/main" if file.endswith(".png") else f"{source}/blob/main"
        assert f"({base}/{file}" in published


def test_the_owner_of_the_repository_is_named_in_one_place():
    owner = PROJECT["project"]["urls"]["Source"].removeprefix("https://github.com/")
    others = [*DOCUMENTS, *(CHECKOUT / ".github").rglob("*.*")]
    assert [name(path) for path in others if f"github.com/{owner}" in path.read_text("utf-8")] == []


def test_the_readme_is_short():
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 180
    assert re.search(r"^pip install .*&& pytest$", readme, flags=re.MULTILINE)  # .ci/run runs it
