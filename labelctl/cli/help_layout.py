"""The layout of `--help`: arguments, a command's own options, examples, and the global options last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from labelctl.cli.examples import EXAMPLES

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 120}
"""The settings of every command. Help uses the terminal's width; longer lines are hard to read."""

_MAX_NAME = 30  # columns; the text beside a longer name starts on the next line
_MAX_NAME_NARROW = 22  # on terminals of less than 80 columns


def write_command(command: Any, ctx: Any, formatter: Any) -> None:
    """Write the sections below a command's description."""
    params = command.get_params(ctx)
    own = [param for param in params if not is_global(param)]
    for title, kind in (("Arguments", "argument"), ("Options", "option")):
        rows = records(ctx, (param for param in own if param.param_type_name == kind))
        _write_rows(formatter, title, rows)
    _write_examples(formatter, ctx)
    _write_rows(formatter, "Global options", records(ctx, filter(is_global, params)))


def write_group(
    command: Any, ctx: Any, formatter: Any, groups: Mapping[str, Mapping[str, str]]
) -> None:
    """Write the sections below a group's description; `groups` has a text for each command."""
    widest = max(len(name) for texts in groups.values() for name in texts)
    for title, texts in groups.items():
        _write_rows(formatter, title, [(name.ljust(widest), text) for name, text in texts.items()])
    _write_examples(formatter, ctx)
    _write_rows(formatter, "Global options", records(ctx, command.get_params(ctx)))


def records(ctx: Any, params: Iterable[Any]) -> list[tuple[str, str]]:
    """The names and the meaning of parameters, without hidden ones."""
    found = filter(None, (param.get_help_record(ctx) for param in params))
    return [(name, " ".join(meaning.split())) for name, meaning in found]


def is_global(param: Any) -> bool:
    """Whether every command takes this parameter."""
    return not param.expose_value


def summary(text: str | None) -> str:
    """The first sentence of a help text."""
    first = " ".join((text or "").strip().split("\n\n")[0].split())
    return first.partition(". ")[0].rstrip(".") + "."


def _write_rows(formatter: Any, title: str, rows: list[tuple[str, str]]) -> None:
    if rows:
        with formatter.section(title):
            # The formatter's width is that of the text, two columns less than the terminal's.
            formatter.write_dl(rows, _MAX_NAME if formatter.width >= 78 else _MAX_NAME_NARROW)


def _write_examples(formatter: Any, ctx: Any) -> None:
    _, _, path = ctx.command_path.partition(" ")
    if examples := EXAMPLES.get(path):
        with formatter.section("Examples"):
            for line, meaning in examples.items():
                formatter.write(f"  # {meaning}\n  {line}\n")
