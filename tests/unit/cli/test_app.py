"""The command line: common options, errors and exit codes. Other modules test the commands."""

from __future__ import annotations

import json
import re

import pytest
import typer

from labelctl import errors
from labelctl.cli import app
from labelctl.cli.options import Options, options_of
from labelctl.cli.session import Session
from labelctl.deploy import package
from labelctl.errors import Command


@pytest.fixture
def replace_commands(monkeypatch):
    """Replaces what every command does by a function, which gets the context."""

    def replace(function):
        monkeypatch.setattr(Session, "of", function)

    return replace


@pytest.fixture
def options(replace_commands):
    """Parses a command line; returns the options that the command would get."""
    parsed = []

    def take(context):
        parsed.append(options_of(context))
        raise typer.Exit

    replace_commands(take)

    def parse(*arguments):
        assert app.run(list(arguments)) == 0
        return parsed.pop()

    return parse


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


def test_the_later_option_wins(options):
    assert options("--stack", "a", "status", "--stack", "b").stack == "b"
    assert options("--stack", "a", "status", "--quiet").stack == "a"
    assert options("-o", "json", "status", "-oplain").output == "plain"
    assert options("status", "--stack", "a", "--stack", "b").stack == "b"


def test_runs_do_not_share_options(options):
    assert options("--local", "--quiet", "status").local
    assert options("status") == Options()


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_the_environment_sets_defaults(options, monkeypatch, value):
    monkeypatch.setenv("LABELCTL_LOCAL", value)
    monkeypatch.setenv("LABELCTL_STACK", "mine")
    assert options("status") == Options(stack="mine", local=True)
    assert options("status", "--stack", "other").stack == "other"


@pytest.mark.parametrize("value", ["", "0", "false", "no"])
def test_the_environment_can_turn_the_local_cloud_off(options, monkeypatch, value):
    monkeypatch.setenv("LABELCTL_LOCAL", value)
    monkeypatch.setenv("LABELCTL_STACK", "")
    assert options("status") == Options()


@pytest.mark.parametrize("option", ["--profile", "--region"])
def test_profile_and_region_exclude_the_local_cloud(run, monkeypatch, option):
    code, out, err = run("status", "--local", option, "p")
    assert (code, out) == (2, "")
    assert err.startswith(f"Error: {option} cannot be used with the local cloud.")
    monkeypatch.setenv("LABELCTL_LOCAL", "1")
    code, _, err = run(option, "p", "status")
    assert code == 2
    assert "LABELCTL_LOCAL" in err


def test_a_switch_that_is_neither_on_nor_off_is_refused(run, monkeypatch):
    """Treated as off, a typo would run a local experiment on a paid account."""
    monkeypatch.setenv("LABELCTL_LOCAL", "banana")
    code, _, err = run("status")
    assert code == 2
    assert "LABELCTL_LOCAL is 'banana'" in err


@pytest.mark.parametrize("name", ["", "a_b", "1a", "a b", "arn:aws:x", "a" * 119, "a\n"])
def test_invalid_stack_names(run, name):
    code, _, err = run("status", "--stack", name)
    assert code == 2
    assert "is not a valid stack name" in err


@pytest.mark.parametrize("name", ["a", "A-1", "a" * 118])
def test_valid_stack_names(name):
    Options(stack=name).check()


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


def test_a_missing_value_points_to_the_help_of_the_command(run):
    err = run("local", "start", "--model")[2]
    assert err.endswith("Run `labelctl local start --help` for usage.\n")


@pytest.mark.parametrize("value", ["x" * 2000, "a b " * 500, "é\n" * 1000])
@pytest.mark.parametrize(
    "arguments",
    [["images", "--limit"], ["status", "--stack"], ["tail", "--since"], ["status", "-o"], []],
)
@pytest.mark.parametrize("output", [["-o", "plain"], ["-o", "json"]])
def test_a_long_value_is_not_repeated_in_full(run, arguments, value, output):
    code, _, err = run(*output, *arguments, value)
    assert code == 2
    assert "…" in err or r"\u2026" in err
    assert len(err) < 1500  # with control characters escaped


def test_a_hint_explains_names_that_start_with_a_dash(run):
    hint = "To pass a name that starts with a dash, put it last: labelctl show [OPTIONS] -- -NAME"
    assert hint in run("show", "-dash.jpg")[2]
    assert "a dash" not in run("status", "-dash.jpg")[2]
    assert "a dash" not in run("show", "--wiat", "a.jpg")[2]


def test_another_programs_option_for_json_leads_to_ours(run):
    assert run("images", "--json")[2].endswith("For JSON, use -o json.\n")


@pytest.mark.parametrize(("arguments", "words"), USAGE.values(), ids=USAGE)
def test_an_invalid_command_line(run, arguments, words):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    first, hint = err.splitlines()
    assert first.startswith("Error: ")
    assert words in first
    assert hint.startswith("Run `labelctl ")
    assert hint.endswith("--help` for usage.")


@pytest.mark.parametrize(("arguments", "words"), USAGE.values(), ids=USAGE)
def test_with_json_an_error_is_an_object_on_stderr(run, arguments, words):
    code, out, err = run("--output", "json", *arguments)
    assert (code, out) == (2, "")
    error = json.loads(err)["error"]
    assert set(error) == {"kind", "message", "hint", "exit_code"}
    assert (error["kind"], error["exit_code"]) == ("usage", 2)
    assert words in error["message"]


@pytest.mark.parametrize("asked", [["--output=json"], ["-ojson"], ["-o", "json"]])
def test_json_can_be_requested_in_several_ways(run, asked):
    assert json.loads(run(*asked, "nope")[2])["error"]["kind"] == "usage"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--alarm-email", "me"], '"me" is not an email address'),
        (["--alarm-email", "a b@example.com"], "is not an email address"),
        (["--alarm-email", "a@b@example.com"], "is not an email address"),
        (["--alarm-email", ""], "is not an email address"),
        (["--alarm-email", "a@example.com", "--no-alarm"], "contradict each other"),
        (["--alarm-age", "soon"], '"soon" is not a duration'),
        (["--alarm-age", "4m"], "--alarm-age 4m is not between 5 minutes and 13 days"),
        (["--alarm-age", "14d"], "--alarm-age 14d is not between 5 minutes and 13 days"),
    ],
)
def test_invalid_alarm_options(run, arguments, words):
    code, out, err = run("deploy", *arguments)
    assert (code, out) == (2, "")
    message, hint = err.splitlines()
    assert words in message
    assert hint


def test_json_requested_after_the_error_counts_too(run):
    assert json.loads(run("status", "--nope", "-o", "json")[2])["error"]["kind"] == "usage"
    assert json.loads(run("-o", "plain", "status", "x", "-o", "json")[2])


def every_error(base=errors.LabelctlError):
    for subclass in base.__subclasses__():
        yield subclass
        yield from every_error(subclass)


CODES = {
    "UsageError": 2,
    "NotFoundError": 3,
    "NotDeployedError": 3,
    "MissingResourceError": 3,
    "PhotoNotFoundError": 3,
    "LabelNotFoundError": 3,
    "RefusedError": 4,
    "CredentialsError": 4,
    "AccessDeniedError": 4,
    "DamagedItemError": 4,
    "DeployError": 4,
    "LocalCloudError": 4,
    "PhotosFailedError": 5,
    "FilesSkippedError": 5,
    "InconsistentError": 5,
    "WaitTimeoutError": 6,
}


def test_every_error_has_its_exit_code_and_a_unique_kind():
    classes = list(every_error())
    assert {each.__name__: each.exit_code for each in classes} == CODES
    assert len({each.kind for each in classes}) == len(classes)


@pytest.mark.parametrize("error", list(every_error()), ids=lambda error: error.__name__)
def test_an_error_ends_the_program_with_its_exit_code(run, replace_commands, error):
    def fail(_):
        raise error("It went wrong.", "Do this.")

    replace_commands(fail)
    assert run("status") == (error.exit_code, "", f"{error.lead}: It went wrong.\nDo this.\n")
    code, _, err = run("status", "--output", "json")
    assert (code, json.loads(err)["error"]["kind"]) == (error.exit_code, error.kind)


def test_boto3_errors_are_explained(run, replace_commands):
    from botocore.exceptions import NoRegionError

    def fail(_):
        raise NoRegionError

    replace_commands(fail)
    code, _, err = run("status")
    assert code == 2
    assert err.startswith("Error: No AWS region is set.\n")


def test_a_stack_that_does_not_exist(run, moto):
    code, out, err = run("status")
    assert (code, out) == (3, "")
    assert err == (
        'Error: There is no stack "labelctl" in us-east-1.\nDeploy it first: labelctl deploy\n'
    )


def test_ctrl_c(run, replace_commands):
    def interrupt(_):
        raise KeyboardInterrupt

    replace_commands(interrupt)
    assert run("status") == (130, "", "")


def test_a_bug_keeps_its_traceback(replace_commands):
    replace_commands(lambda _: {}["a bug"])
    with pytest.raises(KeyError, match="a bug"):
        app.run(["status"])


def test_a_command_may_exit_with_a_code(run, replace_commands):
    def leave(_):
        raise typer.Exit(7)

    replace_commands(leave)
    assert run("status")[0] == 7


def test_the_version(run):
    code, out, err = run("--version")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"labelctl \d+\.\d+\.\d+\n", out)


# ---- what it must not do


def test_package_keeps_a_foreign_template(tmp_path, run):
    (tmp_path / "template.yaml").write_text("Transform: AWS::Serverless-2016-10-31\n")
    code, _, err = run("package", "--output-dir", tmp_path)
    assert code == 4
    assert "is not a labelctl template" in err
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


# ---- commands in hints


@pytest.mark.parametrize(
    ("options", "command", "line"),
    [
        ({}, Command("deploy"), "labelctl deploy"),
        ({"local": True}, Command("upload", "a b.jpg"), "labelctl upload 'a b.jpg' --local"),
        (
            {"stack": "blue", "profile": "my work", "region": "eu-west-1"},
            Command("tail", "--since", "1h"),
            "labelctl tail --since 1h --stack blue --profile 'my work' --region eu-west-1",
        ),
        ({"local": True}, Command("local", "start"), "labelctl local start"),
        ({"local": True}, Command("demo", "a.jpg"), "labelctl demo a.jpg"),
    ],
)
def test_suggested_commands_repeat_the_options_they_need(options, command, line):
    assert Session(Options(**options)).view.command_line(command) == line


@pytest.mark.parametrize("output", ["plain", "json"])
def test_commands_in_hints_repeat_the_common_options(run, replace_commands, output):
    hint = "Run `", Command("deploy"), " && ", Command("status"), "`.\nOr wait."

    def refuse(_):
        raise errors.RefusedError("No.", *hint)

    replace_commands(refuse)
    _, _, err = run("status", "--stack", "a", "-o", output)
    shown = "Run `labelctl deploy --stack a && labelctl status --stack a`.\nOr wait."
    if output == "json":
        assert json.loads(err)["error"]["hint"] == shown
    else:
        assert err == f"Error: No.\n{shown}\n"
