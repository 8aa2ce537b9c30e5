"""The options that every command takes, and arguments and options that several commands share.

The common options go before or after the command's name. `CliCommand` adds them to each command and
`CliGroup` to each group. Their values end up in one `Options` object. An option after the
command's name overrides the same option before it, and both override the environment.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperOption

from labelctl.cli.values import count, number
from labelctl.errors import Command, UsageError

OUTPUTS = ("table", "plain", "json")
"""The output formats: for people, for pipes, for programs."""

_STACK = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,117}")  # of 128: the artifact stack adds "-artifacts"

_SWITCH = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(
    ("", "0", "false", "no", "off"), False
)


# ---- arguments and options of several commands

ImageKey = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE",
        help="The photo's key, or the path it was uploaded from (without --prefix).",
    ),
]
Prefix = Annotated[
    str, typer.Option(help="Only keys starting with TEXT, e.g. holiday/.", metavar="TEXT")
]
Limit = Annotated[int, typer.Option(parser=count(), metavar="N", help="Maximum number of results.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Wait = Annotated[
    bool,
    typer.Option("--wait", help="Wait until each photo is labelled or failed; print the labels."),
]
WaitTimeout = Annotated[
    float,
    typer.Option(
        parser=number(1),
        metavar="SECONDS",
        help="With --wait: give up after this many seconds without progress.",
    ),
]

# ---- options of every command


@dataclass
class Options:
    """The values of the common options. `output` None: table on a terminal, plain in a pipe."""

    stack: str = "labelctl"
    profile: str | None = None
    region: str | None = None
    local: bool = False
    output: str | None = None
    quiet: bool = False
    verbose: bool = False

    @classmethod
    def from_environment(cls) -> Options:
        """The defaults, and LABELCTL_STACK and LABELCTL_LOCAL where they are set."""
        local = _SWITCH.get(_local_switch(), False)
        return cls(stack=os.environ.get("LABELCTL_STACK") or cls.stack, local=local)

    def flags(self, command: Command) -> str:
        """The options that a suggested command must repeat, each preceded by a space."""
        if command.program != "labelctl":
            return f" --profile {shlex.quote(self.profile)}" if self.profile else ""
        if command.arguments[0] in ("demo", "local", "--version"):  # nothing changes what they do
            return ""
        words = ["--local"] if self.local and "--local" not in command.arguments else []
        for name, value, default in (
            ("--stack", self.stack, Options.stack),
            ("--profile", self.profile, None),
            ("--region", self.region, None),
        ):
            if value and value != default:
                words += [name, shlex.quote(value)]
        return "".join(" " + word for word in words)

    def check(self) -> None:
        """Raise UsageError for invalid values and for options that exclude each other."""
        if (switch := _local_switch()) not in _SWITCH:
            raise UsageError(
                f"LABELCTL_LOCAL is {switch!r}, which is neither on nor off.",
                "Set it to 1 to use the local cloud, or to 0 to use AWS.",
            )
        if not _STACK.fullmatch(self.stack):
            raise UsageError(
                f'--stack "{self.stack}" is not a valid stack name.',
                "Use at most 118 letters, digits and hyphens, starting with a letter.",
            )
        if self.local and (self.profile or self.region):
            option = "--profile" if self.profile else "--region"
            raise UsageError(
                f"{option} cannot be used with the local cloud.",
                f"Remove {option}, or --local (LABELCTL_LOCAL may be set in your environment).",
            )


def _local_switch() -> str:
    return os.environ.get("LABELCTL_LOCAL", "").lower()


def options_of(context: typer.Context) -> Options:
    """The `Options` of this run."""
    options: Options = context.find_root().obj.options  # of the run's session
    return options


def _store(context: typer.Context, parameter: Any, value: Any) -> Any:
    """Store a common option's value in this run's `Options`."""
    if value is not None:
        if parameter.name == "output" and value not in OUTPUTS and not context.resilient_parsing:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(OUTPUTS)}.")
        setattr(options_of(context), parameter.name, value)
    return value


def common_options(short_output: bool = True) -> list[TyperOption]:
    """The common options. With `short_output`, --output has the short form -o."""

    def option(*names: str, help: str, **more: Any) -> TyperOption:
        return TyperOption(
            param_decls=list(names), help=help, expose_value=False, callback=_store, **more
        )

    def flag(*names: str, help: str) -> TyperOption:
        return option(*names, help=help, is_flag=True, type=bool, default=None)

    return [
        option(
            "--stack", help="Stack name. [env: LABELCTL_STACK; default: labelctl]", metavar="NAME"
        ),
        option("--profile", help="AWS profile to use. [env: AWS_PROFILE]", metavar="NAME"),
        option("--region", help="AWS region, e.g. eu-west-1. [env: AWS_REGION]", metavar="NAME"),
        flag("--local", help="Use the local cloud instead of AWS. [env: LABELCTL_LOCAL=1]"),
        option(
            "--output",
            *(["-o"] if short_output else []),
            help="Output format. [default: table on a terminal, plain in a pipe]",
            metavar="|".join(OUTPUTS),
        ),
        flag("--quiet", "-q", help="Print only the result: no progress, no hints."),
        flag("--verbose", "-v", help="Log every AWS request."),
    ]


def no_keys(prefix: str) -> str:
    """The message of commands that find no photo under a prefix."""
    return f'No photo has a key starting with "{prefix}".'


def no_photos(prefix: str) -> tuple[str | Command, ...]:
    """The message of commands that find no photo, under a prefix if there is one."""
    if prefix:
        return (no_keys(prefix),)
    return ("There are no photos yet. Next: ", Command("upload", "PATH"))


def check_prefix(prefix: str) -> None:
    """Raise UsageError for a prefix that no S3 key can have."""
    from labelctl.contract.s3_events import MAX_KEY

    try:
        length = len(prefix.encode())
    except UnicodeEncodeError:
        raise UsageError(
            "--prefix is not valid UTF-8, as every key is.", "Use another prefix."
        ) from None
    if length > MAX_KEY:
        raise UsageError(
            f"--prefix is longer than any key: {length:,} bytes.",
            f"Use at most {MAX_KEY:,} bytes.",
        )
