"""Write docs/commands.md and the manual page docs/labelctl.1: python -m tests.docs

Both come from the help texts of the command line, as `--help` shows them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from labelctl.cli import help_layout
from labelctl.cli.app import app
from labelctl.cli.examples import EXAMPLES
from labelctl.cli.group import GROUPS

DOCS = Path(__file__).parents[1] / "docs"

INTRODUCTION = """\
# Commands

<!-- Generated from the help texts: python -m tests.docs -->

`labelctl COMMAND --help` shows the same text. All commands take the
[common options](#common-options).
"""

OUTPUT = """\
On a terminal, results are tables. In a pipe, they are tab-separated lines that are never cut.
Control characters in names are shown as escapes. With `-o json`, a result is one JSON value.
`tail`, `search`, `export`, `verify`, `rm`, `failures --discard`, and `upload` and `retry` without
`--wait` print one JSON value per line.

Results go to stdout, everything else to stderr. In JSON mode, errors are objects on stderr. When
`--wait` sees no progress for 10 seconds, it shows how many photos are waiting and the latest error
in the function's log, in the progress bar or in one line per minute.
"""

OUTPUT_FILE = (
    "In `export`, `show` and `gallery`, `-o` names the output file; use `--output` for the format."
)

ENVIRONMENT = {
    "LABELCTL_STACK": "The stack to use, as with `--stack`.",
    "LABELCTL_LOCAL": "With 1, true, yes or on: use the local cloud, as with `--local`.",
    "LABELCTL_HOME": "Data folder of the local cloud.",
    "AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, …": "Configuration of boto3.",
}

EXIT_CODES = {
    0: "Done.",
    1: "A bug in labelctl. The traceback is shown.",
    2: "Wrong usage, or a confirmation is needed but there is no terminal (add `--yes`).",
    3: "Not found, or not deployed.",
    4: "Refused by AWS or the local cloud, declined by you, or the deployment failed.",
    5: "Some photos failed or files were skipped (the others are done), or `verify` found problems.",
    6: "Photos are still waiting.",
    130: "Interrupted. Run the same command to resume.",
    141: "The program that reads the output has exited (`… | head`). Run the same command to resume.",
}

HELP = ("-h, --help", "Show this message and exit.")
"""Of every command; Click adds it when a command runs."""

Rows = list[tuple[str, str]]
"""Arguments or options: names with their value, and what they mean."""


@dataclass(frozen=True)
class Page:
    """The help of one command. `usage` begins with its whole name, such as labelctl local start."""

    name: str
    usage: str
    text: list[str]
    arguments: Rows
    options: Rows
    examples: dict[str, str]


def pages() -> list[Page]:
    """All commands in the order of the help, each group of commands followed by its members."""
    root: Any = typer.main.get_command(app)
    return [
        page
        for name, command in root.commands.items()
        for page in _pages(command, f"labelctl {name}")
    ]


def common_options() -> Rows:
    """The options that every command takes, before its name or after it."""
    root: Any = typer.main.get_command(app)
    command = root.commands["status"]
    common = [each for each in command.params if help_layout.is_global(each)]
    return [*_records(command, common), HELP]


def program_options() -> Rows:
    """The options that stand without a command."""
    root: Any = typer.main.get_command(app)
    common = {names for names, _ in common_options()}
    return [each for each in _records(root, root.params) if each[0] not in common]


def _pages(command: Any, name: str) -> Iterator[Page]:
    own = [each for each in command.params if not help_layout.is_global(each)]
    arguments = _records(command, [each for each in own if each.param_type_name == "argument"])
    options = _records(command, [each for each in own if each.param_type_name == "option"])
    text = inspect.cleandoc(command.help or "").split("\n\n")
    context = type(command).context_class(command, info_name=name, **command.context_settings)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    paragraphs = [" ".join(each.split()) for each in text]
    examples = EXAMPLES.get(name.partition(" ")[2], {})
    yield Page(name, usage, paragraphs, arguments, options, examples)
    for part, each in getattr(command, "commands", {}).items():
        yield from _pages(each, f"{name} {part}")


def _records(command: Any, parameters: list[Any]) -> Rows:
    context = type(command).context_class(command, **command.context_settings)
    return help_layout.records(context, parameters)


# ---- Markdown


def markdown() -> str:
    """docs/commands.md."""
    by_name = {page.name: page for page in pages()}
    lines = [INTRODUCTION]
    for title, names in GROUPS.items():
        links = [f"[{name}](#labelctl-{name})" for name in names]
        lines.append(f"- **{title}:** {', '.join(links)}")
    lines.append("")
    for page in by_name.values():
        lines += [f"## {page.name}", "", f"    {page.usage}", "", "\n\n".join(page.text), ""]
        lines += _table("Argument", page.arguments) + _table("Option", page.options)
        if page.examples:
            lines += ["```sh", *_examples(page), "```", ""]
    lines += ["## Common options", "", "They can stand before or after the command's name.", ""]
    lines += _table("Option", common_options())
    lines += [OUTPUT_FILE, ""]
    lines += ["Options without a command:", "", *_table("Option", program_options())]
    lines += ["## Output", "", OUTPUT]
    lines += ["## Environment variables", "", *_table("Variable", list(ENVIRONMENT.items()))]
    codes = [(str(code), meaning) for code, meaning in EXIT_CODES.items()]
    lines += ["## Exit codes", "", *_table("Code", codes)]
    return "\n".join(lines)


def _examples(page: Page) -> list[str]:
    return [
        line for command, meaning in page.examples.items() for line in (f"# {meaning}", command)
    ]


def _table(title: str, rows: Rows) -> list[str]:
    if not rows:
        return []
    lines = [f"| {title} | Meaning |", "|---|---|"]
    for name, meaning in rows:
        lines.append(
            "| `{}` | {} |".format(*(text.replace("|", r"\|") for text in (name, meaning)))
        )
    return [*lines, ""]


# ---- the manual page


def manual() -> str:
    """docs/labelctl.1, in the macros of man(7)."""
    root: Any = typer.main.get_command(app)
    lines = ['.TH LABELCTL 1 "" labelctl "User Commands"', ".SH NAME"]
    lines += [_roff(f"labelctl - {' '.join((root.help or '').split())}")]
    lines += [".SH SYNOPSIS", ".B labelctl", "COMMAND [OPTIONS] [ARGUMENTS]", ".SH COMMANDS"]
    for page in pages():
        lines += [f".SS {_roff(page.usage)}", _roff(page.text[0])]
        lines += [line for text in page.text[1:] for line in (".PP", _roff(text))]
        lines += _items([*page.arguments, *page.options])
        if page.examples:
            lines += [".PP", "Examples:", ".PP", ".nf", *map(_roff, _examples(page)), ".fi"]
    lines += [".SH OPTIONS", "All commands take these options.", *_items(common_options())]
    lines += [".PP", "Options without a command.", *_items(program_options())]
    lines += [".SH ENVIRONMENT", *_items(list(ENVIRONMENT.items()))]
    codes = [(str(code), meaning) for code, meaning in EXIT_CODES.items()]
    lines += [".SH EXIT STATUS", *_items(codes)]
    return "\n".join(lines) + "\n"


def _items(rows: Rows) -> list[str]:
    return [line for name, text in rows for line in (".TP", f".B {_roff(name)}", _roff(text))]


def _roff(text: str) -> str:
    """A text that troff prints as it is, without the backquotes of Markdown."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("`", "").replace("…", "...")
    return rf"\&{text}" if text.startswith((".", "'")) else text


FILES = {DOCS / "commands.md": markdown, DOCS / "labelctl.1": manual}

if __name__ == "__main__":
    for path, make in FILES.items():
        path.write_text(make(), encoding="utf-8")
