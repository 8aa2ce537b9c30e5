"""Groups of commands: the program, whose commands are imported when they are used, and `local`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperGroup

from labelctl.cli import help_layout
from labelctl.cli.command import CliCommand
from labelctl.cli.options import common_options
from labelctl.errors import Command, UsageError

GROUPS = {
    "Start": ("demo", "deploy"),
    "Photos": ("upload", "images", "rm"),
    "Find and view": ("labels", "search", "stats", "show", "gallery", "export"),
    "Health": ("status", "tail", "failures", "retry", "verify"),
    "Manage": ("local", "package", "completion", "destroy"),
}
"""Every command once, in the order of the help. Each is a module of labelctl.cli.commands."""


class CliGroup(TyperGroup):
    """A group that also takes the common options."""

    def __init__(self, *args: Any, params: list[Any] | None = None, **more: Any) -> None:
        super().__init__(*args, params=[*(params or []), *common_options()], **more)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        help_layout.write_group(self, ctx, formatter, self.summaries())

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command. `help COMMAND` is COMMAND --help.

        Raises UsageError, with similar commands as a hint, for an unknown one.
        """
        word, *others = args
        if word == "help":
            names = [each for each in others if not each.startswith("-")]
            if ctx.resilient_parsing:  # the shell completes a command's name
                return self.resolve_command(ctx, names) if names else (None, None, [])
            if not names:
                typer.echo(ctx.get_help())
                ctx.exit()
            return self.resolve_command(ctx, [*names, "--help"])
        if word in self.commands or word.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        raise UsageError(f"No such command {word!r}.", *self._hint(ctx, word, others))

    def _hint(self, ctx: Any, word: str, others: list[str]) -> list[str | Command]:
        """The question which command the user means, with the words that follow it."""
        names = [] if any(other.startswith("-") for other in others) else others
        found = [Command(*each.arguments, *names) for each in self.suggest(word)]
        if not found:
            return [f"Run `{ctx.command_path} --help` for usage."]
        parts: list[str | Command] = ["Did you mean `", found[0]]
        for other in found[1:]:
            parts += ["` or `", other]
        return [*parts, "`?"]

    def suggest(self, word: str) -> list[Command]:
        """The commands that an unknown word may mean."""
        from labelctl.cli import suggestions

        return suggestions.for_local(word, self.commands, COMMANDS)

    def summaries(self) -> dict[str, dict[str, str]]:
        """The first sentence of each command's help, by the command's name, in groups with titles."""
        texts = {name: help_layout.summary(each.help) for name, each in self.commands.items()}
        return {"Commands": texts}


class Program(CliGroup):
    """The program."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.commands = cast(Any, COMMANDS)

    def suggest(self, word: str) -> list[Command]:
        from labelctl.cli import suggestions

        return suggestions.for_program(word, self.commands)

    def summaries(self) -> dict[str, dict[str, str]]:
        return {title: {name: _summary(name) for name in names} for title, names in GROUPS.items()}


class Commands(Mapping[str, Any]):
    """The commands by name. Each is imported when it is used, so that all of them start fast."""

    def __init__(self) -> None:
        self._names = [name for names in GROUPS.values() for name in names]
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._built:
            self._built[name] = _build(name)
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


COMMANDS = Commands()


def _build(name: str) -> Any:
    module = _module(name)
    if hasattr(module, "app"):  # a group
        return typer.main.get_command(module.app)
    # Typer turns an application with one command into that command.
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name, cls=CliCommand, context_settings=help_layout.CONTEXT)(_function(name))
    return typer.main.get_command(single)


def _summary(name: str) -> str:
    module = _module(name)
    return help_layout.summary(
        module.app.info.help if hasattr(module, "app") else _function(name).__doc__
    )


def _function(name: str) -> Any:
    return getattr(_module(name), name)


def _module(name: str) -> Any:
    return import_module(f"labelctl.cli.commands.{name}")
