"""labelctl as a process: output that is closed, full or ASCII, and secrets in tracebacks."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from labelctl.cli import app


def process(*arguments, code="from labelctl.cli.app import main; main()", **more):
    environment = {**os.environ, **more.pop("env", {})}
    command = [sys.executable, "-X", "utf8=0", "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, encoding="utf-8", **more
    )


@pytest.mark.parametrize("output", ["plain", "table", "json"])
def test_a_closed_pipe_shows_only_in_the_exit_code(tmp_path, output):
    reader, writer = os.pipe()
    os.close(reader)
    running = process("package", "--output-dir", tmp_path, "-o", output, "--quiet", stdout=writer)
    os.close(writer)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("output", ["plain", "table", "json"])
def test_a_full_disk_is_an_error(tmp_path, output):
    with Path("/dev/full").open("w") as full:
        running = process("package", "--output-dir", tmp_path, "-o", output, stdout=full)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 4
    assert "The output could not be written: No space left on device." in err
    assert "Traceback" not in err
    assert "Exception" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("full", [True, False], ids=["full disk", "closed pipe"])
def test_an_error_that_cannot_be_written_keeps_its_exit_code(full):
    reader, closed = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("w") as disk, os.fdopen(closed, "w") as pipe:
        running = subprocess.run(
            [sys.executable, "-m", "labelctl", "labels"],
            stderr=disk if full else pipe,
            stdout=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    assert running.returncode == 2


INTERRUPTS = {
    "while an error is printed": "app.Session.view.func = lambda _: os.kill(os.getpid(), 2)",
    "at exit": "atexit.register(os.kill, os.getpid(), 2)",
}


@pytest.mark.parametrize("interrupt", INTERRUPTS.values(), ids=INTERRUPTS)
def test_ctrl_c_after_the_command_is_quiet(interrupt):
    code = f"import atexit, os; from labelctl.cli import app; {interrupt}; app.main()"
    running = process("labels", code=code)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Traceback" not in err
    assert "Interrupt" not in err


def test_a_closed_stdout_is_not_a_bug(tmp_path):
    running = process(
        *("package", "--output-dir", tmp_path),
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.close(1),
    )
    _, err = running.communicate(timeout=30)
    assert running.returncode == 0
    assert "Traceback" not in err


def test_a_closed_stdin_gives_no_confirmation(tmp_path):
    running = process(
        *("local", "reset"),
        env={"LABELCTL_HOME": str(tmp_path)},
        preexec_fn=lambda: os.close(0),
    )
    _, err = running.communicate(timeout=30)
    assert running.returncode == 2
    assert "This needs a confirmation, but there is no terminal." in err
    assert "Traceback" not in err


WAIT = (
    "import time\n"
    "from labelctl.cli import app\n"
    "from labelctl.cli.session import Session\n"
    "Session.of = lambda _: (print('ready', flush=True), time.sleep(30))\n"
    "app.main()"
)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("at_start", [signal.SIG_DFL, signal.SIG_IGN], ids=["usual", "background"])
def test_sigterm_and_sighup_end_a_command_like_ctrl_c(at_start, sent):
    """A shell starts a script's background jobs with SIGINT ignored."""
    running = process(
        *("status", "--quiet"),
        code=WAIT,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, at_start),
    )
    assert running.stdout.readline() == "ready\n"
    running.send_signal(sent)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (130, "")


def test_nohup_keeps_a_command_running():
    running = process(
        *("status", "--quiet"),
        code=WAIT.replace("time.sleep(30)", "time.sleep(0.2), exit(7)"),
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert running.stdout.readline() == "ready\n"
    running.send_signal(signal.SIGHUP)
    running.communicate(timeout=30)
    assert running.returncode == 7


LATIN_1 = {"LC_ALL": "C", "PYTHONUTF8": "0"}
"""Python then reads file names as ASCII, the only other encoding that every system has."""


@pytest.mark.parametrize("environment", [LATIN_1, {}], ids=["another locale", "UTF-8"])
def test_names_are_utf_8_in_every_locale(environment):
    running = process(
        *("upload", "nowhere-é€.jpg", "--output", "json"),
        code="from labelctl.__main__ import main; main()",
        env=environment,
    )
    _, err = running.communicate(timeout=30)
    assert json.loads(err)["error"]["message"].endswith('"nowhere-é€.jpg".')


@pytest.mark.parametrize("level", ["0", "2"])
def test_help_without_docstrings(level):
    running = process(
        "--help",
        code="from labelctl.__main__ import main; main()",
        env={"PYTHONOPTIMIZE": level},
        stdout=subprocess.PIPE,
    )
    out, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, "")
    assert re.search("^  deploy +[A-Z]", out, re.MULTILINE)


def test_an_ascii_output(tmp_path):
    running = process(
        *("package", "--quiet", "--output-dir", tmp_path / "é"),
        env={"PYTHONIOENCODING": "ascii"},
        stdout=subprocess.PIPE,
    )
    out, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, "")
    assert "\\xe9" in out


COMMANDS = (
    *(
        "deploy",
        "upload .",
        "labels a.jpg",
        "search dog",
        "images",
        "stats",
        "export",
        "show a.jpg",
    ),
    *("gallery", "gallery --presign 1h", "status", "tail", "failures", "retry --all", "verify"),
    *("rm a.jpg", "destroy --yes"),
)
ENDPOINTS = ("http://user:s3cret@127.0.0.1:1", "user:s3cret@127.0.0.1:1")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("more", ["--verbose", "--output json"])
def test_no_command_prints_the_password_of_an_endpoint(monkeypatch, capsys, endpoint, more):
    """No server listens at the first endpoint, and the second is not a URL."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for command in COMMANDS:
        code = app.run([*command.split(), *more.split()])
        printed = capsys.readouterr()
        assert (command, code) in ((command, 2), (command, 4))
        assert "endpoint" in printed.err
        assert "s3cret" not in printed.out + printed.err


@pytest.mark.parametrize("place", ["run", "in_thread"])
def test_a_bug_keeps_its_traceback_but_no_secret(place):
    code = (
        "import os, threading\n"
        "from labelctl.cli import app\n"
        "def run(*_): raise RuntimeError('http://user:s3cret@localhost is odd: '"
        " + os.environ['AWS_SESSION_TOKEN'] + ' ' + os.environ['AWS_SECRET_ACCESS_KEY'])\n"
        "def in_thread(_):\n"
        "  thread = threading.Thread(target=run)\n"
        "  thread.start(); thread.join()\n"
        f"app.run = {place}\n"
        "app.main()"
    )
    token = {"AWS_SESSION_TOKEN": "IQoJb3JpZ2luEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"}
    running = process(code=code, env=token)
    _, err = running.communicate(timeout=30)
    assert running.returncode == (1 if place == "run" else 0)
    assert "in run" in err
    assert err.endswith("RuntimeError: http://***@localhost is odd: *** ***\n")
