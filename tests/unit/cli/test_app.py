"""The command line itself: options, errors and exit codes, help. What commands do is told elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import typer

from labelctl import errors
from labelctl.cli import app
from labelctl.cli.options import Options, options_of
from labelctl.cli.session import Session
from labelctl.deploy import package


@pytest.fixture
def run(capsys):
    """Runs a command line; returns the exit code, stdout and stderr."""

    def ran(*arguments):
        code = app.run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return ran


@pytest.fixture
def meanwhile(monkeypatch):
    """Has each command do this, in place of its work."""

    def instead(does):
        monkeypatch.setattr(Session, "of", lambda context: does(context))

    return instead


@pytest.fixture
def options(meanwhile):
    """The options that a command is handed."""
    handed = []

    def take(context):
        handed.append(options_of(context))
        raise typer.Exit

    meanwhile(take)

    def given(*arguments):
        assert app.run(list(arguments)) == 0
        return handed.pop()

    return given


def root():
    return typer.main.get_command(app.app)


def every_command():
    for name, command in root().commands.items():
        yield (name,), command
        for inner, subcommand in getattr(command, "commands", {}).items():
            yield (name, inner), subcommand


COMMANDS = dict(every_command())


# ---- options


def test_the_defaults(options):
    assert options("status") == Options("labelctl", None, None, False, None, False, False)


ALL = ("--stack", "a", "--region", "eu-west-1", "--output", "json", "--quiet", "--verbose")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--profile", "p", *ALL, "status"),
        ("status", "--profile", "p", *ALL),
        ("--profile", "p", *ALL[:4], "status", *ALL[4:]),
        ("local", "--profile", "p", *ALL, "status"),
        ("--profile", "p", "local", *ALL[:3], "eu-west-1", "status", *ALL[4:]),
    ],
)
def test_options_go_before_or_after_the_commands_name(options, arguments):
    assert options(*arguments) == Options("a", "p", "eu-west-1", False, "json", True, True)


def test_the_later_one_wins(options):
    assert options("--stack", "a", "status", "--stack", "b").stack == "b"
    assert options("--stack", "a", "status", "--quiet").stack == "a"
    assert options("-o", "json", "status", "-oplain").output == "plain"
    assert options("status", "--stack", "a", "--stack", "b").stack == "b"


def test_one_run_leaves_nothing_for_the_next(options):
    assert options("--local", "--quiet", "status").local
    assert options("status") == Options()


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_the_environment_is_heeded(options, monkeypatch, value):
    monkeypatch.setenv("LABELCTL_LOCAL", value)
    monkeypatch.setenv("LABELCTL_STACK", "mine")
    assert options("status") == Options(stack="mine", local=True)
    assert options("status", "--stack", "other").stack == "other"


@pytest.mark.parametrize("value", ["", "0", "false", "no"])
def test_the_environment_can_say_no(options, monkeypatch, value):
    monkeypatch.setenv("LABELCTL_LOCAL", value)
    monkeypatch.setenv("LABELCTL_STACK", "")
    assert options("status") == Options()


@pytest.mark.parametrize("option", ["--profile", "--region"])
def test_the_local_cloud_has_one_account_and_one_region(run, monkeypatch, option):
    code, out, err = run("status", "--local", option, "p")
    assert (code, out) == (2, "")
    assert err.startswith(f"Error: {option} does not go with the local cloud")
    monkeypatch.setenv("LABELCTL_LOCAL", "1")
    code, _, err = run(option, "p", "status")
    assert code == 2
    assert "LABELCTL_LOCAL" in err


def test_a_switch_that_is_neither_on_nor_off_is_refused(run, monkeypatch):
    """Taken for off, it would turn a try on the laptop into one on a paid account."""
    monkeypatch.setenv("LABELCTL_LOCAL", "banana")
    code, _, err = run("status")
    assert code == 2
    assert "LABELCTL_LOCAL is 'banana'" in err


@pytest.mark.parametrize("name", ["", "a_b", "1a", "a b", "arn:aws:x", "a" * 119, "a\n"])
def test_a_name_that_no_stack_can_have(run, name):
    code, _, err = run("status", "--stack", name)
    assert code == 2
    assert "cannot be a stack's name" in err


@pytest.mark.parametrize("name", ["a", "A-1", "a" * 118])
def test_a_name_that_a_stack_can_have(name):
    Options(stack=name).check()


def test_hints_repeat_the_options_that_the_next_command_needs():
    session = Session(Options("mine", None, "eu-west-1", True))
    assert session.command("status") == "labelctl status --local --stack mine --region eu-west-1"
    assert Session(Options(profile="p")).command("status") == "labelctl status --profile p"
    assert Session(Options()).command("status") == "labelctl status"


# ---- errors and exit codes


USAGE = {
    "an unknown command": (["nope"], "No such command 'nope'."),
    "an unknown option": (["status", "--nope"], "No such option: --nope"),
    "a missing argument": (["upload"], "Missing argument 'PATH...'."),
    "an unknown output": (["status", "--output", "xml"], "'xml' is not one of table, plain, json."),
    "a number out of its range": (["labels", "a.jpg", "--min-confidence", "101"], "101"),
    "no number": (["labels", "a.jpg", "--timeout", "soon"], "'soon' is not a number."),
    "no whole number": (["search", "dog", "--limit", "1.5"], "'1.5' is not a whole number."),
    "an argument too many": (["status", "x"], "unexpected extra argument"),
    "an option without its value": (["status", "--stack"], "requires an argument"),
    "no command": (["--quiet"], "Missing command."),
}


def test_a_name_that_begins_with_a_dash_is_told_how_to_give(run):
    said = "A name that begins with a dash goes last: labelctl show [OPTIONS] -- -NAME"
    assert said in run("show", "-dash.jpg")[2]
    assert "a dash" not in run("status", "-dash.jpg")[2]
    assert "a dash" not in run("show", "--wiat", "a.jpg")[2]


@pytest.mark.parametrize(("arguments", "words"), USAGE.values(), ids=USAGE)
def test_a_command_line_that_makes_no_sense(run, arguments, words):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    first, hint = err.splitlines()
    assert first.startswith("Error: ")
    assert words in first
    assert hint.startswith("labelctl ")
    assert hint.endswith("--help tells how.")


@pytest.mark.parametrize(("arguments", "words"), USAGE.values(), ids=USAGE)
@pytest.mark.parametrize("asked", [["--output", "json"], ["--output=json"], ["-ojson"]])
def test_with_json_it_is_an_object_on_stderr(run, arguments, words, asked):
    code, out, err = run(*asked, *arguments)
    assert (code, out) == (2, "")
    told = json.loads(err)["error"]
    assert set(told) == {"kind", "message", "hint", "exit_code"}
    assert (told["kind"], told["exit_code"]) == ("usage", 2)
    assert words in told["message"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--alarm-email", "me"], '"me" is not an e-mail address'),
        (["--alarm-email", "a b@example.com"], "is not an e-mail address"),
        (["--alarm-email", "a@b@example.com"], "is not an e-mail address"),
        (["--alarm-email", ""], "is not an e-mail address"),
        (["--alarm-email", "a@example.com", "--no-alarm"], "contradict each other"),
        (["--alarm-age", "soon"], '"soon" is not a duration'),
        (["--alarm-age", "4m"], "--alarm-age 4m is not from 5 minutes to 13 days"),
        (["--alarm-age", "14d"], "--alarm-age 14d is not from 5 minutes to 13 days"),
    ],
)
def test_an_alarm_that_makes_no_sense(run, arguments, words):
    code, out, err = run("deploy", *arguments)
    assert (code, out) == (2, "")
    message, hint = err.splitlines()
    assert words in message
    assert hint


def test_json_asked_for_at_the_end_is_heeded_too(run):
    assert json.loads(run("status", "--nope", "-o", "json")[2])["error"]["kind"] == "usage"
    assert json.loads(run("-o", "plain", "status", "x", "-o", "json")[2])


@pytest.mark.parametrize("arguments", [[], ["local"]])
def test_no_arguments_show_the_help(run, arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: labelctl")
    assert "status" in err


def every_error(of=errors.LabelctlError):
    for kind in of.__subclasses__():
        yield kind
        yield from every_error(kind)


CODES = {
    "UsageError": 2,
    "NotFoundError": 3,
    "NotDeployedError": 3,
    "PhotoNotFoundError": 3,
    "LabelNotFoundError": 3,
    "RefusedError": 4,
    "CredentialsError": 4,
    "AccessDeniedError": 4,
    "DeployError": 4,
    "LocalCloudError": 4,
    "PhotosFailedError": 5,
    "InconsistentError": 5,
    "WaitTimeoutError": 6,
}


def test_every_error_has_its_code_and_a_kind_of_its_own():
    kinds = list(every_error())
    assert {kind.__name__: kind.exit_code for kind in kinds} == CODES
    assert len({kind.kind for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("kind", list(every_error()), ids=lambda kind: kind.__name__)
def test_an_error_ends_the_program_with_its_code(run, meanwhile, kind):
    def fail(_):
        raise kind("It went wrong.", "Do this.")

    meanwhile(fail)
    assert run("status") == (kind.exit_code, "", "Error: It went wrong.\nDo this.\n")
    code, _, err = run("status", "--output", "json")
    assert (code, json.loads(err)["error"]["kind"]) == (kind.exit_code, kind.kind)


def test_boto3s_errors_are_explained(run, meanwhile):
    from botocore.exceptions import NoRegionError

    def fail(_):
        raise NoRegionError

    meanwhile(fail)
    code, _, err = run("status")
    assert code == 2
    assert err.startswith("Error: No AWS region is set.\n")


def test_a_stack_that_is_not_there(run, moto):
    code, out, err = run("status")
    assert (code, out) == (3, "")
    assert err == (
        'Error: There is no stack "labelctl" in us-east-1.\nDeploy it first: labelctl deploy\n'
    )


def test_ctrl_c(run, meanwhile):
    def interrupt(_):
        raise KeyboardInterrupt

    meanwhile(interrupt)
    assert run("status") == (130, "", "")


def test_a_bug_keeps_its_traceback(meanwhile):
    meanwhile(lambda _: {}["a bug"])
    with pytest.raises(KeyError, match="a bug"):
        app.run(["status"])


def test_no_code_means_done(run, meanwhile):
    def leave(_):
        raise typer.Exit(7)

    meanwhile(leave)
    assert run("status")[0] == 7


def test_the_version(run):
    code, out, err = run("--version")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"labelctl \d+\.\d+\.\d+\n", out)


# ---- what it does not do


def test_a_template_of_somebody_elses_stays(tmp_path, run):
    (tmp_path / "template.yaml").write_text("Transform: AWS::Serverless-2016-10-31\n")
    code, _, err = run("package", "--output-dir", tmp_path)
    assert code == 4
    assert "is no template of labelctl" in err
    assert (tmp_path / "template.yaml").read_text() == "Transform: AWS::Serverless-2016-10-31\n"
    (tmp_path / "template.yaml").unlink()
    assert run("package", "--output-dir", tmp_path)[0] == 0
    assert run("package", "--output-dir", tmp_path)[0] == 0


def test_package_does_not_write_through_a_planted_link(run, tmp_path):
    private, output = tmp_path / "private.txt", tmp_path / "output"
    private.write_text("private")
    output.mkdir()
    (output / package.build().name).symlink_to(private)
    (output / "template.yaml").symlink_to(tmp_path / "nowhere")
    assert run("package", "--output-dir", output)[0] == 0
    assert (private.read_text(), (tmp_path / "nowhere").exists()) == ("private", False)
    assert (output / package.build().name).read_bytes() == package.build().content
    assert not [path for path in output.iterdir() if path.is_symlink()]


HEAVY = ("boto3", "botocore", "rich", "cv2", "numpy", "PIL", "ministack", "asyncio", "jinja2")


def test_help_imports_nothing_heavy():
    """All of it in one process: with each import of those it would take several times as long."""
    code = f"""
import contextlib, io, sys
from labelctl.cli.app import run
for words in {[list(words) for words in COMMANDS]!r}:
    with contextlib.redirect_stdout(io.StringIO()):
        assert run([*words, "--help"]) == 0
        assert run(["--help"]) == 0
print(*sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


# ---- help


def test_the_commands_there_are():
    assert set(root().commands) >= {
        *("demo", "deploy", "upload", "labels", "status", "tail", "destroy", "package", "local"),
    }
    assert set(root().commands["local"].commands) >= {"start", "stop", "status", "reset", "env"}


@pytest.mark.parametrize("words", list(COMMANDS), ids=" ".join)
def test_every_command_tells_what_it_does(run, words):
    code, out, err = run(*words, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: labelctl {' '.join(words)}")
    command = COMMANDS[words]
    assert command.help
    assert command.help.splitlines()[0].strip().endswith((".", ":"))
    for parameter in command.params:
        assert parameter.help, parameter.name
        assert parameter.opts[0] in out or parameter.param_type_name == "argument"
    for option in ("--stack", "--profile", "--region", "--local", "--output", "--quiet"):
        assert option in out


def test_help_tells_all_commands(run):
    _, out, _ = run("--help")
    for name in root().commands:
        assert re.search(rf"^  {name} +\w", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "hint", "completed"),
    [
        ({}, "Deploy it first: labelctl deploy", "Deploy it first: labelctl deploy"),
        ({"local": True}, "First: labelctl deploy", "First: labelctl deploy --local"),
        (
            {"stack": "blue", "profile": "my work", "region": "eu-west-1"},
            "`labelctl status` tells.",
            "`labelctl status --stack blue --profile 'my work' --region eu-west-1` tells.",
        ),
        ({"local": True}, "labelctl destroy\nThen rest.", "labelctl destroy --local\nThen rest."),
        ({"local": True}, "Start it: labelctl local start", "Start it: labelctl local start"),
        ({"stack": "a"}, "labelctl tail --since 1h", "labelctl tail --since 1h --stack a"),
        ({"stack": "a"}, "labelctl failures", "labelctl failures --stack a"),
        ({"stack": "a"}, "labelctl rm 'x && y'", "labelctl rm 'x && y' --stack a"),
        (
            {"stack": "a"},
            "labelctl deploy --no-alarm && labelctl deploy --alarm-email me@example.com",
            "labelctl deploy --no-alarm --stack a"
            " && labelctl deploy --alarm-email me@example.com --stack a",
        ),
    ],
)
def test_the_commands_in_hints_repeat_the_options_that_were_given(options, hint, completed):
    assert Options(**options).complete(hint) == completed
