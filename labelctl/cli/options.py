"""The options that every command takes, before or after its name, and those that several share.

What every command takes is declared once, here, and added to each command by `Command` and to the
program by `Group` (the classes that the command line's `Typer` objects are built with). What the
user gave ends up in one `Options` value; an option after the command's name wins over the same one
before it, and both win over the environment.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from math import isnan
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from labelctl.contract.s3_events import MAX_KEY
from labelctl.errors import LabelctlError, UsageError

OUTPUTS = ("table", "plain", "json")
"""How a result can be written: for people, for pipes, for programs."""


_STACK = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,117}")  # of 128, as "-artifacts" is put behind it


_SWITCH = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(
    ("", "0", "false", "no", "off"), False
)
_COMMAND = re.compile(
    r"labelctl (deploy|upload|labels|status|tail|failures|retry|verify|rm|destroy"
    r"|search|show|images|stats|export|gallery)\b(?:(?! && labelctl )[^`\n])*"
)


# ---- arguments and options that several commands have

ImageKey = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE", help="The photo's key, or the path that was uploaded without --prefix."
    ),
]
Prefix = Annotated[
    str, typer.Option(help="Only keys that begin so, such as holiday/.", metavar="TEXT")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Never ask.")]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait until each is labelled or failed; print the labels.")
]
Patience = Annotated[
    float,
    typer.Option(
        min=1, metavar="SECONDS", help="With --wait: give up after so many seconds without news."
    ),
]

# ---- options that every command has


@dataclass
class Options:
    """What the user asked for. `output` None: a table on a terminal, plain lines in a pipe."""

    stack: str = "labelctl"
    profile: str | None = None
    region: str | None = None
    local: bool = False
    output: str | None = None
    quiet: bool = False
    verbose: bool = False

    @classmethod
    def from_environment(cls) -> Options:
        """The defaults, with LABELCTL_STACK and LABELCTL_LOCAL (any of 1, true, yes) heeded."""
        switch = os.environ.get("LABELCTL_LOCAL", "").lower()
        if switch not in _SWITCH:
            raise UsageError(
                f"LABELCTL_LOCAL is {switch!r}, which means neither yes nor no.",
                "Set it to 1 for the local cloud, or to 0.",
            )
        local = _SWITCH[switch]
        return cls(stack=os.environ.get("LABELCTL_STACK") or cls.stack, local=local)

    @property
    def flags(self) -> str:
        """The common options that the next command needs as well, each with a space before it."""
        given = ["--local"] if self.local else []
        for name, value, default in (
            ("--stack", self.stack, Options.stack),
            ("--profile", self.profile, None),
            ("--region", self.region, None),
        ):
            if value and value != default:
                given += [name, shlex.quote(value)]
        return "".join(" " + word for word in given)

    def complete(self, text: str) -> str:
        """A message with these options added to each command that it tells the user to type."""
        return _COMMAND.sub(lambda found: found[0].rstrip() + self.flags, text)

    def check(self) -> None:
        """Raise UsageError for options that contradict each other, or are none."""
        if not _STACK.fullmatch(self.stack):
            raise UsageError(
                f'--stack "{self.stack}" cannot be a stack\'s name.',
                "Letters, digits and hyphens, a letter first, at most 118.",
            )
        if self.local and (self.profile or self.region):
            option = "--profile" if self.profile else "--region"
            raise UsageError(
                f"{option} does not go with the local cloud, which has one account and one region.",
                "Leave it out, or --local (or LABELCTL_LOCAL, which may be set in your environment).",
            )


def options_of(context: typer.Context) -> Options:
    """The one `Options` of this run, made at its first use."""
    root = context.find_root()
    if not isinstance(root.obj, Options):
        root.obj = Options.from_environment()
    return root.obj


def _remember(context: typer.Context, parameter: Any, value: Any) -> Any:
    if value is not None and not context.resilient_parsing:
        if parameter.name == "output" and value not in OUTPUTS:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(OUTPUTS)}.")
        setattr(options_of(context), parameter.name, value)
    return value


def _common(short_output: bool = True) -> list[TyperOption]:
    def option(*names: str, help: str, **more: Any) -> TyperOption:
        return TyperOption(
            param_decls=list(names), help=help, expose_value=False, callback=_remember, **more
        )

    def flag(*names: str, help: str) -> TyperOption:
        return option(*names, help=help, is_flag=True, type=bool, default=None)

    return [
        option(
            "--stack", help="The stack's name. [LABELCTL_STACK; default: labelctl]", metavar="NAME"
        ),
        option("--profile", help="An AWS profile of yours.", metavar="NAME"),
        option("--region", help="An AWS region, such as eu-west-1.", metavar="NAME"),
        flag("--local", help="Use the cloud on this machine. [LABELCTL_LOCAL=1]"),
        option(
            "--output",
            *(["-o"] if short_output else []),
            help="Default: table on a terminal, plain in a pipe.",
            metavar="|".join(OUTPUTS),
        ),
        flag("--quiet", "-q", help="Only the result: no progress, no hints."),
        flag("--verbose", "-v", help="Tell what is asked of AWS."),
    ]


_LARGEST = 10**12  # of photos, and of what else is counted


class Command(TyperCommand):
    """A command that also takes the common options, and whose hints repeat those that were given.

    One that declares a -o of its own (where to write) keeps it; --output has no short form there.
    """

    def __init__(self, *args: Any, params: list[Any] | None = None, **more: Any) -> None:
        own = params or []
        self._target = next((each.name for each in own if "-o" in each.opts), None)
        super().__init__(*args, params=[*own, *_common(self._target is None)], **more)

    def invoke(self, ctx: Any) -> Any:
        try:
            self._check_paths(ctx)
            self._check_target(ctx)
            self._check_numbers(ctx)
            return super().invoke(ctx)
        except LabelctlError as error:
            error.hint = options_of(ctx).complete(error.hint)
            raise

    def _check_paths(self, ctx: Any) -> None:
        """Refuse an empty one, which would be taken for this folder: a variable that is not set."""
        for param in self.params:
            value = ctx.params.get(param.name)
            several = value if isinstance(value, list | tuple) else [value]
            if param.type.name == "path" and "" in several:
                name = param.opts[0] if param.param_type_name == "option" else "A path"
                file = (param.metavar or "").startswith("FILE")
                raise UsageError(
                    f"{name} is empty.",
                    "Name a file." if file else "Name one; a dot (.) stands for this folder.",
                )

    def _check_target(self, ctx: Any) -> None:
        """Refuse what is meant for --output: a file of that name would be a surprise."""
        target = ctx.params[self._target] if self._target else None
        if target and str(target) in OUTPUTS:
            raise UsageError(
                f"-o tells this command where to write, and {target} is a form of output.",
                f"Write it out: --output {target}",
            )

    def _check_numbers(self, ctx: Any) -> None:
        """Refuse what is no number: no range says so."""
        for option in self.params:
            value = ctx.params.get(option.name)
            if isinstance(value, float) and isnan(value):
                raise UsageError(f"{option.opts[0]} nan is no number.", "Give one, such as 90.")
            if isinstance(value, int) and value > _LARGEST:
                raise UsageError(
                    f"{option.opts[0]} {value} is too large.", "Give a smaller number."
                )


class Group(TyperGroup):
    """A group that also takes the common options."""

    def __init__(self, *args: Any, params: list[Any] | None = None, **more: Any) -> None:
        super().__init__(*args, params=[*(params or []), *_common()], **more)


def check_prefix(prefix: str) -> None:
    """Raise UsageError for what no key can begin with."""
    try:
        length = len(prefix.encode())
    except UnicodeEncodeError:
        raise UsageError("--prefix is not valid UTF-8, as all keys are.", "Give another.") from None
    if length > MAX_KEY:
        raise UsageError(
            f"--prefix is longer than any key: {length:,} bytes.", "Give a shorter one."
        )
