"""The program `labelctl`: its commands, and the one place where errors become messages and codes.

0 done · 1 a bug · 2 wrong usage · 3 not found or not deployed · 4 refused, or the deploy failed
5 some photos failed, or something is amiss · 6 timed out waiting · 130 interrupted
141 nobody reads the output any more
"""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
from contextlib import suppress
from itertools import zip_longest
from typing import Annotated, Any, NoReturn

import typer

from labelctl.cli.commands import (
    demo,
    deploy,
    destroy,
    export,
    failures,
    gallery,
    images,
    labels,
    local,
    package,
    retry,
    rm,
    search,
    show,
    stats,
    status,
    tail,
    upload,
    verify,
)
from labelctl.cli.options import OUTPUTS, Command, Group
from labelctl.cli.output import View
from labelctl.errors import LabelctlError, RefusedError, UsageError
from labelctl.text import without_passwords

INTERRUPTED = 130
READERS_GONE = 141  # as of a program that SIGPIPE ends: what it was at may be half done
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF}

HELP = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    context_settings=HELP,
    cls=Group,
    help="Put photos in, get labels out: on your own AWS account, or with --local on this machine.",
    epilog="Begin with `labelctl demo`, which needs no account, or with `labelctl deploy`.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich takes longer to import than --help to print
    pretty_exceptions_enable=False,  # its tracebacks print local variables, secrets among them
)

for _command in (
    demo.demo,
    deploy.deploy,
    upload.upload,
    labels.labels,
    search.search,
    images.images,
    stats.stats,
    export.export,
    show.show,
    gallery.gallery,
    status.status,
    tail.tail,
    failures.failures,
    retry.retry,
    verify.verify,
    rm.rm,
    destroy.destroy,
    package.package,
):
    app.command(cls=Command, context_settings=HELP)(_command)
app.add_typer(local.app, name="local")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"labelctl {version('labelctl')}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    """The options before a command's name."""


def main() -> NoReturn:
    """The console script."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # whoever started us has closed it
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115
    sys.excepthook = _report_bug
    # So that what a command holds is given back when it is told to end, too.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    code = run(sys.argv[1:])
    if code == INTERRUPTED:  # Python would wait for threads that wait for an answer
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _report_bug(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Print a traceback as Python does, without the passwords in URLs."""
    import traceback

    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(without_passwords(text))


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code. A bug keeps its traceback."""
    view = View(_output(arguments))
    try:
        code = typer.main.get_command(app).main(
            arguments, prog_name="labelctl", standalone_mode=False
        )
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as ended:
        # Typer and rich both make an exit code 1 of a broken pipe.
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        return _readers_gone()
    except BrokenPipeError:
        return _readers_gone()
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError" and view.mode != "json":
            typer.echo(error, err=True)
            return UsageError.exit_code
        told = _explain(error)
        if told is None:
            raise
        view.error(told)
        return told.exit_code
    return code if isinstance(code, int) else 0


def _readers_gone() -> int:
    """Whoever read our output has gone, as `head` does."""
    _drop_output()
    return READERS_GONE


def _drop_output() -> None:
    """Keep Python from saying at exit that what is left of it cannot be written."""
    sys.stdout = sys.__stdout__ or sys.stdout  # Typer puts a wrapper over it
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain(error: Exception) -> LabelctlError | None:
    if isinstance(error, LabelctlError):
        return error
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        _drop_output()
        message = f"The output could not be written: {error.strerror}."
        return RefusedError(
            message, "Is there room on the disk? The same command can be run again."
        )
    if hasattr(error, "format_message"):  # Typer's own: a command line that makes no sense
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "labelctl"
        bare = type(error).__name__ == "NoArgsIsHelpError"  # its message is the whole help
        message = "Missing command." if bare else _sentence(error.format_message())
        return UsageError(message, f"{path} --help tells how.{_about_dashes(error, path)}")
    if "botocore" in sys.modules:
        from labelctl.aws import clients

        return clients.explain(error)
    return None


def _about_dashes(error: Exception, path: str) -> str:
    """How to name what begins like an option, where the command takes names."""
    context, option = getattr(error, "ctx", None), getattr(error, "option_name", "--")
    takes = context and any(each.param_type_name == "argument" for each in context.command.params)
    if option.startswith("--") or not takes:
        return ""
    return f"\nA name that begins with a dash goes last: {path} [OPTIONS] -- -NAME"


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    text = re.sub("is not a valid float( range)?", "is not a number", text)
    text = re.sub("is not a valid int(eger)?( range)?", "is not a whole number", text)
    return text if text.endswith((".", "?", "!")) else text + "."


def _output(arguments: list[str]) -> str | None:
    """The output that was asked for, as far as it can be told before the rest is understood."""
    output = None  # the last one counts
    for here, after in zip_longest(arguments, arguments[1:], fillvalue=""):
        for name in ("--output=", "-o"):
            value = here.removeprefix(name) if here.startswith(name) else ""
            if value in OUTPUTS:
                output = value
        if here in ("--output", "-o") and after in OUTPUTS:
            output = after
    return output
