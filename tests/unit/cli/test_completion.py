"""Candidates for completion in a shell. tests/e2e/test_completion.py presses Tab in real shells."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from labelctl.cli.known_names import KnownNames
from labelctl.cli.options import Options


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def complete(run, monkeypatch):
    """Completes a command line; returns the candidates, or None to complete files."""

    def complete(line, word=None):
        monkeypatch.setenv("LABELCTL_COMPLETE", line)
        if word is not None:
            monkeypatch.setenv("LABELCTL_COMPLETE_WORD", word)
        code, out, err = run()
        assert err == ""
        assert code == 0 or out == ""
        return None if code else [row.split("\t")[0] for row in out.splitlines()]

    return complete


@pytest.fixture
def known():
    """Stores names for a stack, as commands do."""

    def known(*keys, labels=(), stack="stack 1", **options):
        names = KnownNames(Options(**options))
        names.add(keys=keys, labels=labels)
        names.save(stack)

    return known


CANDIDATES = {
    "labelctl se": ["search"],
    "labelctl local st": ["start", "stop", "status"],
    "labelctl help loc": ["local"],
    "labelctl images --st": ["--status", "--stack"],
    "labelctl images --status ": ["labelled", "failed", "waiting"],
    "labelctl images --status F": ["failed"],
    "labelctl search dog --sort=n": ["--sort=newest"],
    "labelctl export --format ": ["csv", "jsonl", "parquet"],
    "labelctl -o j": ["json"],
    "labelctl --stack blue ta": ["tail"],
    "labelctl --version --help ta": ["tail"],
    "AWS_PROFILE=x labelctl ta": ["tail"],
    "/opt/bin/labelctl ta": ["tail"],
    "labelctl completion ": ["bash", "zsh", "fish"],
    "labelctl upload x": None,
    "labelctl show a.jpg -o ": None,
    "labelctl labels x": None,
    "labelctl images --limit ": [],
    "labelctl nope x": [],
    "labelctl search --min-confidence 0.8 --so": ["--sort"],
    "labelctl 'open": [],
}


@pytest.mark.parametrize(("line", "candidates"), CANDIDATES.items())
def test_candidates(complete, line, candidates):
    assert complete(line) == candidates


def test_commands_and_options_have_descriptions(run, monkeypatch):
    monkeypatch.setenv("LABELCTL_COMPLETE", "labelctl sea")
    assert run() == (0, "search\tFind photos by label.\n", "")
    monkeypatch.setenv("LABELCTL_COMPLETE", "labelctl search --an")
    assert run() == (0, "--any\tFind photos with any of the labels.\n", "")


def test_keys_and_labels(complete, known):
    known("b/1.jpg", "a/2.jpg", "IMG_1.jpg", "img_2.jpg", labels=["Dog", "Mobile Phone"])
    for command in ("labels", "show", "rm x", "retry"):
        assert complete(f"labelctl {command} b") == ["b/1.jpg"]
    assert complete("labelctl labels img") == ["img_2.jpg"]
    assert complete("labelctl labels Img") == ["IMG_1.jpg", "img_2.jpg"]
    assert complete("labelctl rm a/2.jpg --yes a") is None  # it is there already
    assert complete("labelctl search mob") == ["Mobile Phone"]
    assert complete("labelctl search cat --not ") == ["Dog", "Mobile Phone"]
    assert complete("labelctl gallery --search d") == ["Dog"]
    assert complete("labelctl images --prefix ") == ["b/", "a/"]


def test_a_key_that_would_be_read_as_an_option_needs_two_dashes_before_it(complete, known):
    known("--all", "a.jpg")
    assert complete("labelctl retry ") == ["a.jpg"]
    assert complete("labelctl retry -- ") == ["--all", "a.jpg"]


def test_names_are_those_of_the_stack_on_the_command_line(complete, known, monkeypatch):
    known("default.jpg")
    known("blue.jpg", stack="stack 2", region="eu-west-1")
    known("local.jpg", stack="stack 3", local=True)
    assert complete("labelctl labels ") == ["default.jpg"]
    assert complete("labelctl labels --region eu-west-1 ") == ["blue.jpg"]
    assert complete("labelctl --local labels ") == ["local.jpg"]
    assert complete("labelctl --stack other labels ") is None
    monkeypatch.setenv("LABELCTL_LOCAL", "1")
    assert complete("labelctl labels ") == ["local.jpg"]


BASH = {
    ("labelctl labels a:", ":"): ["b\\ c.jpg"],
    ("labelctl labels a:b", "b"): ["b\\ c.jpg"],
    ("labelctl labels a", "a"): ["a:b\\ c.jpg"],
    ("labelctl labels 'a:b", "'a:b"): ["a:b c.jpg"],
    ("labelctl search x --sort=", "="): ["confidence", "newest"],
    ("labelctl search x --sort=n", "n"): ["newest"],
    ("labelctl labels x", "x"): ["x\\$\\(id\\)\\'\\\"\\!.jpg"],
    ("labelctl labels 'x", "'x"): ["x$(id)'\\''\"!.jpg"],
    ('labelctl labels "x', '"x'): ['x\\$(id)\'\\""\\!".jpg'],
}


@pytest.mark.parametrize(("typed", "inserted"), BASH.items())
def test_bash_gets_quoted_words_after_the_last_colon(complete, known, typed, inserted):
    known("a:b c.jpg", "x$(id)'\"!.jpg")
    assert complete(*typed) == inserted


def test_profiles_and_regions(complete, monkeypatch, tmp_path):
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text("[default]\nregion=eu-west-1\n[profile my work]\nregion = us-east-1\n")
    credentials.write_text("[default]\naws_access_key_id=x\n[robot]\naws_access_key_id=y%\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    assert complete("labelctl status --profile ") == ["default", "my work", "robot"]
    assert complete("labelctl status --region us") == ["us-east-1"]
    config.write_text("not a file of this kind\n")
    assert complete("labelctl status --region ") == []
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "missing"))
    assert complete("labelctl status --profile r") == ["robot"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed_in_every_format(run, shell):
    code, out, err = run("completion", shell, "-o", "json")
    assert (code, err) == (0, "")
    assert "LABELCTL_COMPLETE=" in out


def test_completing_imports_nothing_heavy(known):
    known("a.jpg")
    code = (
        "import sys; from labelctl.cli.app import run; run([]); "
        "print(*{'boto3', 'botocore', 'rich', 'PIL', 'asyncio'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "LABELCTL_COMPLETE": "labelctl labels "},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("a.jpg\n", "\n")
