"""The program `labelctl`: its commands, and how errors become messages and exit codes.

The exit codes are in `labelctl.errors.ExitCode`.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import threading
from contextlib import suppress
from itertools import zip_longest
from typing import Annotated, Any, NoReturn

import typer

from labelctl.cli import completion, help_layout
from labelctl.cli.group import Program
from labelctl.cli.options import OUTPUTS, Options
from labelctl.cli.session import Session
from labelctl.errors import ExitCode, LabelctlError, RefusedError, UsageError

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF}

app = typer.Typer(
    context_settings=help_layout.CONTEXT,
    cls=Program,
    help="Label your photos with Amazon Rekognition on your own AWS account, or offline with --local.",
    add_completion=False,  # Typer's breaks on names with spaces, quotes and colons: see completion.py
    epilog="Start with `labelctl demo` (needs no AWS account) or `labelctl deploy`.",
    no_args_is_help=True,
    rich_markup_mode=None,  # importing rich takes longer than printing --help
    pretty_exceptions_enable=False,  # those tracebacks print local variables, including secrets
)


def _print_version(context: typer.Context, requested: bool) -> None:
    if requested and not context.resilient_parsing:
        from importlib.metadata import version

        typer.echo(f"labelctl {version('labelctl')}")
        raise typer.Exit


@app.callback()
def _declare(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_print_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Declare the options that go before the command's name."""


def main() -> NoReturn:
    """Run the command line of this process, and exit."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # the parent process has closed it
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115
    sys.excepthook = _report_bug
    threading.excepthook = lambda bug: _report_bug(*bug[:3])
    # SIGTERM, and closing the terminal, then clean up as Ctrl-C does, such as returning messages
    # to their queue. Raising SIGINT would not be enough: a script's background job ignores it.
    others = (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
    for number in others:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, signal.default_int_handler)
    try:
        code = run(sys.argv[1:])
        for number in (signal.SIGINT, *others):
            if signal.getsignal(number) == signal.default_int_handler:
                signal.signal(number, lambda *_: os._exit(ExitCode.INTERRUPTED))  # also in atexit
    except KeyboardInterrupt:  # while an error was being printed
        code = ExitCode.INTERRUPTED
    if code == ExitCode.INTERRUPTED:  # Python would wait for threads with requests in flight
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    gc.freeze()  # else Python looks for garbage among all objects before it ends
    sys.exit(code)


def _report_bug(kind: type[BaseException], error: BaseException | None, trace: Any) -> None:
    """Print a traceback as Python does, but without secrets."""
    import traceback

    from labelctl.aws.secrets import without_secrets

    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(without_secrets(text))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code. Unexpected exceptions pass through."""
    session = Session(Options.from_environment())
    program = typer.main.get_command(app)
    if (line := os.environ.get(completion.LINE)) is not None:
        return completion.respond(program, session, line)
    try:
        code = program.main(arguments, prog_name="labelctl", standalone_mode=False, obj=session)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except SystemExit as ended:
        # Typer and rich both turn a broken pipe into exit code 1.
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        _drop_output()
        return ExitCode.READER_GONE
    except BrokenPipeError:
        _drop_output()
        return ExitCode.READER_GONE
    except Exception as error:
        explained = _explain(error)
        if explained is None:
            raise
        session.options.output = _requested_output(arguments)  # parsing may have ended before it
        if type(error).__name__ == "NoArgsIsHelpError" and session.view.mode != "json":
            typer.echo(error, err=True)
        else:
            try:
                session.view.error(explained)
            except OSError:  # the exit code must do
                _drop_output("stderr")
        return explained.exit_code
    finally:
        session.save_names()
    return code if isinstance(code, int) else ExitCode.DONE


def _drop_output(name: str = "stdout") -> None:
    """Discard buffered output, which Python would otherwise try to write, and report, at exit."""
    stream = getattr(sys, f"__{name}__") or getattr(sys, name)  # Typer may have wrapped it
    setattr(sys, name, stream)
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _explain(error: Exception) -> LabelctlError | None:
    """The error with a message and a hint for the user; None for a bug."""
    if isinstance(error, LabelctlError):
        return error
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        _drop_output()
        message = f"The output could not be written: {error.strerror}."
        return RefusedError(message, "Check the free disk space and run the same command again.")
    if hasattr(error, "format_message"):  # one of Typer's usage errors
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "labelctl"
        bare = type(error).__name__ == "NoArgsIsHelpError"  # its message is the whole help
        message = "Missing command." if bare else _sentence(error.format_message())
        if hint := getattr(error, "hint", ""):
            return UsageError(message, hint)
        if getattr(error, "option_name", "") == "--json":
            return UsageError(message, "For JSON, use -o json.")
        return UsageError(message, f"Run `{path} --help` for usage.{_dash_hint(error, path)}")
    if "botocore" in sys.modules:
        from labelctl.aws import errors

        return errors.to_user_error(error)
    return None


def _dash_hint(error: Exception, path: str) -> str:
    """How to pass a name that starts with a dash, for commands that take names."""
    context, option = getattr(error, "ctx", None), getattr(error, "option_name", "--")
    takes_names = context and any(
        param.param_type_name == "argument" for param in context.command.params
    )
    if option.startswith("--") or not takes_names:
        return ""
    return f"\nTo pass a name that starts with a dash, put it last: {path} [OPTIONS] -- -NAME"


def _sentence(text: str) -> str:
    """Typer's message as one sentence."""
    text = " ".join(text.split())
    return text if text.endswith((".", "?", "!")) else text + "."


def _requested_output(arguments: list[str]) -> str | None:
    """The output format, found without parsing, for errors of parsing."""
    output = None
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        for name in ("--output=", "-o"):
            value = argument.removeprefix(name) if argument.startswith(name) else ""
            if value in OUTPUTS:
                output = value
        if argument in ("--output", "-o") and following in OUTPUTS:
            output = following
    return output
