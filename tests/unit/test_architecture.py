"""The arrows between the modules: who may import whom, read from the sources."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import labelctl

ROOT = Path(labelctl.__file__).parent
HEAVY = {"boto3", "botocore", "rich"}
CORE = (
    *("assets", "aws", "bundle", "changes", "contract", "deploy", "destroy", "errors", "photos"),
    *("results", "stack", "status", "tail", "upload", "versions", "words"),
    *("schema", "dynamodb", "reads", "throttling", "threads", "requests"),
    *("verify", "recheck", "rules", "findings", "inventory", "label_index"),
    *("dead_letters", "failures", "queues", "retry", "remove", "objects"),
    *("vocabulary", "candidates", "query", "search", "stalls"),
    *("walk", "images", "stats", "atomic_file", "export", "writing"),
    "pictures",
    *("drawing.__init__", "drawing.draw", "drawing.layout", "drawing.brush", "drawing.saving"),
    *("gallery.__init__", "gallery.build", "gallery.page"),
    *("gallery.links", "gallery.onefile", "gallery.thumbnails"),
)
SHARED = ("contract", "schema", "__init__")
"""What rides in the function's zip."""
FACE = ("cli", "options", "session", "view", "meter", "screen", "__main__")
"""What knows a user. With the core, the commands and the local cloud that is all there is."""


def modules(folder: Path = ROOT) -> dict[str, Path]:
    """Every module by its name without `labelctl.`, such as commands.deploy."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in sorted(folder.rglob("*.py"))
        if "_assets" not in path.parts
    }


def imports(name: str, *, also_later: bool = True) -> set[str]:
    """What a module imports: when it is loaded, and with `also_later` also within functions.

    What is imported for type checkers alone does not count. `labelctl.x.y` for what is ours.
    """
    path = modules()[name]
    package = ["labelctl", *name.split(".")[:-1]]
    return set(_imports(ast.parse(path.read_text()).body, package, also_later))


def _imports(body: list[ast.stmt], package: list[str], later: bool) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield source
            if source.split(".")[0] == "labelctl":
                yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _imports(node.orelse, package, later)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not later:
            continue
        else:
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from _imports(getattr(node, field, []), package, later)


def tops(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def ours(names: set[str], *forbidden: str) -> set[str]:
    return {
        name
        for name in names
        for each in forbidden
        if name == f"labelctl.{each}" or name.startswith(f"labelctl.{each}.")
    }


def test_it_reads_imports_as_they_are(tmp_path):
    """So that the tests below can fail."""
    tree = ast.parse(
        "import a.b\n"
        "from labelctl import view\n"
        "if TYPE_CHECKING:\n    import types_only\n"
        "try:\n    import c\nexcept ImportError:\n    import d\n"
        "def f():\n    from rich import e\n    with x:\n        import g\n"
        "class K:\n    import h\n    def m(self):\n        import i\n"
        "from . import near\nfrom ..far import away\n"
    ).body
    package = ["labelctl", "commands"]
    at_load = {"a.b", "labelctl", "labelctl.view", "c", "d", "h"}
    at_load |= {"labelctl.commands", "labelctl.commands.near", "labelctl.far", "labelctl.far.away"}
    assert set(_imports(tree, package, False)) == at_load
    assert set(_imports(tree, package, True)) == at_load | {"rich", "g", "i"}


def test_every_module_has_its_place():
    known = {*CORE, *FACE, "__init__"}
    loose = {name for name in modules() if not name.startswith(("commands.", "local."))}
    assert loose == known


def test_a_newcomer_finds_every_file_on_the_map_of_the_house():
    checkout = Path(__file__).parents[2]
    _, house = (checkout / "CONTRIBUTING.md").read_text().split("## The house")
    told = set(re.findall(r"[a-z_]+(?:\.py|/)", house.split("## Tests")[0]))
    files = [Path(__file__), *ROOT.rglob("*.py"), *(checkout / "lambda").glob("*.py")]
    rooms = {path for path in files if path.parent in (ROOT, checkout / "lambda")}
    folders = {f"{path.name}/" for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert {path.name for path in rooms if path.name[0] != "_"} | folders <= told
    assert {name for name in told if name.endswith(".py")} <= {path.name for path in files}


@pytest.mark.parametrize("name", CORE)
def test_the_core_knows_no_user(name):
    found = imports(name)
    assert not tops(found) & {"typer", "click", "rich"}
    assert not ours(found, *FACE, "commands")


@pytest.mark.parametrize("name", CORE)
def test_the_core_does_not_know_whether_it_is_local(name):
    assert not ours(imports(name), "local")


@pytest.mark.parametrize("name", CORE)
def test_the_core_prints_nothing_and_ends_nothing(name):
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(modules()[name].read_text()))
        if isinstance(node, ast.Call)
    }
    assert not called & {"print", "input", "sys.exit", "exit", "quit"}


def test_the_view_knows_no_aws():
    found = imports("view")
    assert not tops(found) & {"boto3", "botocore", "typer"}
    known = ours(found, "errors", "meter", "words")
    assert {name for name in found if name.startswith("labelctl.")} == known


def test_errors_know_nothing():
    assert tops(imports("errors")) <= {"__future__", "typing"}


@pytest.mark.parametrize("name", SHARED)
def test_what_the_function_carries_needs_the_standard_library_and_itself_only(name):
    ours = {each for each in imports(name) if each.split(".")[0] == "labelctl"}
    assert tops(imports(name) - ours) <= set(sys.stdlib_module_names)
    assert {".".join(each.split(".")[:2]) for each in ours} <= {
        f"labelctl.{shared}" for shared in SHARED
    }


def test_what_the_function_carries_is_what_is_held_here():
    import io
    import zipfile

    from labelctl import bundle

    carried = zipfile.ZipFile(io.BytesIO(bundle.build().content)).namelist()
    shared = {name for name in carried if name.startswith("labelctl/")}
    assert shared == {f"labelctl/{name}.py" for name in SHARED}


@pytest.mark.parametrize("name", [name for name in modules() if not name.startswith("local.")])
def test_heavy_libraries_are_imported_when_they_are_needed(name):
    assert not tops(imports(name, also_later=False)) & HEAVY


def test_boto3_has_one_door():
    # The emulator and the recogniser run in processes of their own, and a row's types are data.
    doors = {name for name in modules() if {"boto3"} & imports(name)}
    assert {door for door in doors if not door.startswith("local.")} == {"aws"}


def test_rich_has_two_doors():
    assert {name for name in modules() if "rich" in tops(imports(name))} == {"view", "meter"}


def test_pictures_in_a_terminal_have_one_door():
    assert {name for name in modules() if "textual_image" in tops(imports(name))} == {"screen"}


def test_typer_stays_in_the_command_line():
    knowing = {name for name in modules() if "typer" in tops(imports(name))}
    assert {name for name in knowing if not name.startswith("commands.")} <= {"cli", "options"}


@pytest.mark.parametrize("name", [name for name in modules() if name.startswith("local.")])
def test_the_local_cloud_knows_no_commands(name):
    assert not ours(imports(name), "cli", "commands", "options", "session", "view")


def test_no_module_imports_another_in_a_circle():
    arrows = {
        name: {
            target.removeprefix("labelctl.")
            for target in imports(name, also_later=False)
            if target.removeprefix("labelctl.") in modules()
        }
        for name in modules()
    }
    while leaves := {name for name, targets in arrows.items() if not targets}:
        arrows = {name: targets - leaves for name, targets in arrows.items() if name not in leaves}
    assert arrows == {}
