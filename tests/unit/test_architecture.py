"""Which package may import which, read from the sources."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import labelctl

ROOT = Path(labelctl.__file__).parent
CHECKOUT = Path(__file__).parents[2]

# Each package may import those before it in this order, and nothing after it.
ORDER = (
    *("errors", "text", "times", "paths", "atomic_file", "image_file"),
    *("contract", "aws", "deploy", "photos"),
    *("labels", "labels.search", "operations", "operations.verify"),
    *("render", "render.drawing", "render.gallery"),
    *("local", "local.persistence", "local.emulator", "local.rekognition"),
    *("cli", "cli.commands"),
)
CORE = ("contract", "aws", "deploy", "photos", "labels", "operations", "render")
ONE_UNIT = (
    ("local", "local.persistence"),
    ("local", "local.rekognition"),
    ("cli", "cli.commands"),
)
"""Pairs that know each other: what starts the others stands in the package above them."""


@cache
def modules() -> dict[str, Path]:
    """Every module by its name without `labelctl.`, such as deploy.stack."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in sorted(ROOT.rglob("*.py"))
        if "_assets" not in path.parts
    }


@cache
def imports(name: str, also_later: bool = True) -> frozenset[str]:
    """What a module imports: when it is loaded, and with `also_later` also within functions.

    What is imported for type checkers alone does not count. `labelctl.x.y` for what is ours.
    """
    package = ["labelctl", *name.split(".")[:-1]]
    body = ast.parse(modules()[name].read_text()).body
    return frozenset(_imports(body, package, also_later))


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


def ours(name: str, also_later: bool = True) -> set[str]:
    """The modules of ours that a module imports."""
    found = {each.removeprefix("labelctl.") for each in imports(name, also_later)}
    return {each for each in found if each in modules()} - {name}


def tops(name: str, also_later: bool = True) -> set[str]:
    """The top-level packages that a module imports."""
    return {each.split(".")[0] for each in imports(name, also_later)}


def package_of(name: str) -> str:
    """The longest package in ORDER that a module is in."""
    return max((each for each in ORDER if f"{name}.".startswith(f"{each}.")), key=len)


def within(*packages: str) -> list[str]:
    return [name for name in modules() if name.split(".")[0] in packages]


def test_it_reads_imports_as_they_are():
    """So that the tests below can fail."""
    tree = ast.parse(
        "import a.b\n"
        "from labelctl import text\n"
        "if TYPE_CHECKING:\n    import types_only\n"
        "try:\n    import c\nexcept ImportError:\n    import d\n"
        "def f():\n    from rich import e\n    with x:\n        import g\n"
        "class K:\n    import h\n    def m(self):\n        import i\n"
        "from . import near\nfrom ..far import away\n"
    ).body
    package = ["labelctl", "aws"]
    at_load = {"a.b", "labelctl", "labelctl.text", "c", "d", "h"}
    at_load |= {"labelctl.aws", "labelctl.aws.near", "labelctl.far", "labelctl.far.away"}
    assert set(_imports(tree, package, False)) == at_load
    assert set(_imports(tree, package, True)) == at_load | {"rich", "g", "i"}


def test_every_module_is_in_a_package():
    loose = {name for name in modules() if "." not in name and name not in ORDER}
    assert loose == {"__init__", "__main__"}
    files = [path for path in ROOT.iterdir() if path.suffix == ".py"]
    assert len(files) <= 8


def test_every_package_says_what_it_knows_and_what_it_must_not_know():
    packages = {path.parent for path in modules().values()} - {ROOT}
    texts = {
        path: ast.get_docstring(ast.parse((path / "__init__.py").read_text())) for path in packages
    }
    assert [str(path.relative_to(ROOT)) for path, text in texts.items() if not text] == []


def test_no_package_imports_one_above_it():
    upwards = {
        f"{name} imports {target}"
        for name in modules()
        if "." in name or name in ORDER
        for target in ours(name)
        if ("." in target or target in ORDER)
        and ORDER.index(package_of(target)) > ORDER.index(package_of(name))
        and (package_of(name), package_of(target)) not in ONE_UNIT
    }
    assert upwards == set()


def test_no_module_imports_another_in_a_circle():
    arrows = {name: ours(name, False) for name in modules()}
    while leaves := {name for name, targets in arrows.items() if not targets}:
        arrows = {name: targets - leaves for name, targets in arrows.items() if name not in leaves}
    assert arrows == {}


def test_the_core_knows_no_user_and_not_whether_it_is_local():
    for name in within(*CORE):
        assert not tops(name) & {"typer", "click", "rich"}, name
        assert not {each for each in ours(name) if each.split(".")[0] in ("cli", "local")}, name


def test_the_core_prints_nothing_and_ends_nothing():
    for name in within(*CORE):
        called = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(modules()[name].read_text()))
            if isinstance(node, ast.Call)
        }
        assert not called & {"print", "input", "sys.exit", "exit", "quit"}, name


def test_the_output_knows_no_aws():
    known = {"errors", "text", "cli.json_text", "cli.progress", "cli.tables"}
    assert not tops("cli.output") & {"boto3", "botocore", "typer"}
    assert ours("cli.output") <= known


def test_errors_know_nothing():
    assert tops("errors") <= {"__future__", "dataclasses", "enum", "shlex", "typing"}


def test_what_the_function_carries_needs_the_standard_library_and_itself_only():
    for name in within("contract"):
        assert {each.split(".")[0] for each in ours(name)} <= {"contract"}, name
        assert tops(name) - {"labelctl"} <= set(sys.stdlib_module_names), name


def test_the_function_needs_the_contract_and_what_lambda_provides():
    for path in (CHECKOUT / "lambda" / "labeller").glob("*.py"):
        found = set(_imports(ast.parse(path.read_text()).body, ["labeller"], True))
        provided = {"boto3", "botocore", *sys.stdlib_module_names}
        assert {each.split(".")[0] for each in found} <= {"labelctl", "labeller", *provided}, path
        shared = {each for each in found if each.startswith("labelctl")}
        assert all(each.startswith("labelctl.contract") for each in shared), path


def test_no_module_imports_the_function():
    for name in modules():
        assert "labeller" not in tops(name), name


def test_the_zip_holds_the_contract_and_no_other_package():
    import io
    import zipfile

    from labelctl.deploy import package

    carried = zipfile.ZipFile(io.BytesIO(package.build().content)).namelist()
    shared = {f"labelctl/{name.replace('.', '/')}.py" for name in ("__init__", *within("contract"))}
    assert {name for name in carried if name.startswith("labelctl/")} == shared


def test_heavy_libraries_are_imported_when_they_are_needed():
    for name in modules():
        if name.split(".")[0] != "local" and name not in (
            "aws.calls",
            "aws.credential_process",
        ):  # which are imported when needed, too
            assert not tops(name, False) & {"boto3", "botocore", "rich"}, name


def test_each_heavy_library_has_one_door():
    doors = {
        "boto3": {"aws"},
        "rich": {"cli"},
        "textual_image": {"cli"},
        "typer": {"cli"},
        "PIL": {"image_file", "render"},
    }
    for library, packages in doors.items():
        # The emulator and the recogniser run in processes of their own.
        users = {name for name in modules() if library in tops(name) and name[:5] != "local"}
        assert {name.split(".")[0] for name in users} <= packages, library


def test_the_local_cloud_knows_no_commands():
    for name in within("local"):
        assert not {each for each in ours(name) if each.split(".")[0] == "cli"}, name


def test_a_newcomer_finds_every_package_on_the_map():
    described = (CHECKOUT / "CONTRIBUTING.md").read_text().split("## Tests")[0]
    assert [package for package in ORDER if package.split(".")[-1] not in described] == []


def test_no_test_imports_helpers_from_another_test():
    """Helpers stand in modules of their own, so that a test can be moved or deleted."""
    pattern = re.compile(r"^from tests\.[\w.]*\.test_\w+ import", re.MULTILINE)
    tests = (CHECKOUT / "tests").rglob("test_*.py")
    assert [str(path) for path in tests if pattern.search(path.read_text())] == []
