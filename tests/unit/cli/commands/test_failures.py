"""`labelctl failures`: a section for each remedy, with the command that applies it."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from labelctl.cli.commands import failures
from labelctl.cli.output import View
from labelctl.operations.dead_letters import DeadLetter
from labelctl.operations.failures import (
    NEEDS_NEW_FILE,
    DeadLetterState,
    Failure,
    FailureFilter,
)
from labeller.recognition import REASONS, UNREADABLE
from tests.unit.streams import Pipe

AT = "2026-05-01T14:02:00Z"
DAMAGED = Failure("bad.jpg", "InvalidImageFormatException", "It is damaged.", AT)
UNREAD = Failure("secret.jpg", UNREADABLE, "Rekognition cannot read it.", AT)


def dead(state: Any, error: str = "AccessDenied", reason: str = "It may not.") -> DeadLetterState:
    message = DeadLetter("id-of-the-message", (), error, reason, AT, 3, "hello", "receipt")
    return DeadLetterState(message, state)


def show(
    mode: str, *rows: Any, choice: FailureFilter | None = None, more: bool = False
) -> tuple[list[str], list[str]]:
    """What the command prints of these failures, on stdout and stderr."""
    out, err = io.StringIO(), Pipe()
    session: Any = SimpleNamespace(view=View(mode, stdout=out, stderr=err))
    cells = [
        failures._failed_row(row) if isinstance(row, Failure) else failures._dead_row(row)
        for row in rows
    ]
    failures._show(session, {"more_failed": more}, cells, choice or FailureFilter())
    return out.getvalue().splitlines(), err.getvalue().splitlines()


def test_every_error_of_the_function_has_a_remedy() -> None:
    """The permanent errors, except that a photo that could not be read may be readable by now."""
    assert REASONS.keys() - {UNREADABLE} == NEEDS_NEW_FILE


def test_a_section_for_each_remedy_with_its_command() -> None:
    rows = (DAMAGED, UNREAD, dead("waiting"), dead("labelled"), dead("unreadable"))
    out, err = show("table", *rows)
    titles = [line.strip() for line in out if line and not line.startswith(" ")]
    assert titles == ["A retry can fix", "Needs a new file", "Unreadable dead letters"]
    assert err == [
        "Next: labelctl retry --reason InvalidS3ObjectException",
        "Next: labelctl retry --reason AccessDenied",
        "Fix the files, then upload them again: labelctl upload PATH",
        "To delete them: labelctl failures --discard",
    ]


def test_plain_lines_and_json_have_the_remedy() -> None:
    out, _ = show("plain", DAMAGED, dead("waiting"), dead("labelled"))
    assert [(line.split("\t")[0], line.split("\t")[-1]) for line in out] == [
        ("dead letter", "retry"),
        ("obsolete", "retry"),
        ("failed", "new_file"),
    ]
    assert DAMAGED.as_json()["remedy"] == "new_file"
    assert UNREAD.as_json()["remedy"] == "retry"
    assert dead("unreadable").as_json()["remedy"] == "discard"


@pytest.mark.parametrize(
    ("rows", "choice", "command"),
    [
        ((UNREAD, dead("waiting")), FailureFilter(), "retry --all"),
        ((UNREAD,), FailureFilter(prefix="s"), "retry --prefix s"),
        ((UNREAD,), FailureFilter(reason="read"), "retry --reason read"),
        ((UNREAD,), FailureFilter("s", "read"), "retry --reason read --prefix s"),
        (
            (UNREAD, DAMAGED),
            FailureFilter(prefix="s"),
            f"retry --reason {UNREADABLE} --prefix s",
        ),
        ((dead("waiting", "", "Killed."), DAMAGED), FailureFilter(), "retry --reason Killed."),
    ],
)
def test_the_command_retries_nothing_that_needs_a_new_file(
    rows: Any, choice: FailureFilter, command: str
) -> None:
    assert show("table", *rows, choice=choice)[1][0] == f"Next: labelctl {command}"


def test_if_there_are_more_failures_than_shown_not_all_are_retried() -> None:
    assert show("table", UNREAD, more=True)[1] == [f"Next: labelctl retry --reason {UNREADABLE}"]
