"""`labelctl failures`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.commands._photo import state
from labelctl.cli.options import Prefix
from labelctl.cli.session import Session
from labelctl.cli.tables import AnyCell, Cell, Column, Table, moment
from labelctl.cli.values import count
from labelctl.errors import Command, RefusedError, UsageError
from labelctl.text import counted

if TYPE_CHECKING:
    from labelctl.operations.dead_letters import DeadLetter, UnreadMessages
    from labelctl.operations.failures import (
        DeadLetterList,
        DeadLetterState,
        Failure,
        FailureFilter,
        Remedy,
    )

_STATES = {
    "waiting": ("dead letter", "red"),
    "failed": ("obsolete", "dim"),
    "labelled": ("obsolete", "dim"),
    "removed": ("obsolete", "dim"),
    "unreadable": ("dead letter", "yellow"),
}
"""The texts for dead letters, by the state of their photos: one with a result needs no message."""

_TITLES = {
    "retry": "A retry can fix",
    "new_file": "Needs a new file",
    "discard": "Unreadable dead letters",
}
COLUMNS = (
    Column("State"),
    Column("Photo", style="bold", is_key=True),
    Column("Time", in_wide_windows=True),
    Column("Reason"),
    Column("Remedy", in_title=True),
)
DELETED_COLUMNS = (Column("Outcome", width=9), Column("Message", width=17), Column("Reason"))
_MAX_COMMANDS = 3  # suggested, if one cannot select what to retry

_BOTO_PREFIX = re.compile(r"^An error occurred \(\w+\) when calling the (\w+) operation: ")
"""How boto3's messages start; shortened to the operation, as the column is narrow."""


def failures(
    context: typer.Context,
    prefix: Prefix = "",
    reason: Annotated[
        str,
        typer.Option(help="Only failures whose reason contains TEXT.", metavar="TEXT"),
    ] = "",
    limit: Annotated[
        int,
        typer.Option(
            parser=count(),
            metavar="N",
            help="Maximum number of failed photos, and of dead letters.",
        ),
    ] = 100,
    discard: Annotated[
        bool, typer.Option("--discard", help="Delete unreadable dead letters.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="With --discard: do not ask for confirmation.")
    ] = False,
) -> None:
    """List failed photos and dead letters."""
    from labelctl.operations import failures as core

    session = Session.of(context)
    choice = core.FailureFilter(prefix, reason)
    if discard:
        if choice:
            raise UsageError(
                "--discard cannot be combined with --prefix or --reason.",
                "It deletes all dead letters that cannot be read, and nothing else.",
            )
        _discard(session, yes)
        return
    stack, aws, view = session.stack, session.aws, session.view
    with view.meter("Reading failed photos") as meter:
        failed, more_failed = core.take(
            core.failed_photos(session.reader, choice, meter.update), limit
        )
        meter.step("Reading dead letters")
        dead = core.list_dead_letters(
            aws.sqs, stack.dead_letter_queue, session.reader, choice, limit, meter.update
        )
    value = {
        "failed": [each.as_json() for each in failed],
        "dead_letters": [each.as_json() for each in dead.found],
        "more_failed": more_failed,
        "more_dead_letters": dead.more,
        "hidden_dead_letters": dead.unseen.hidden,
    }
    _show(session, value, [*map(_failed_row, failed), *map(_dead_row, dead.found)], choice)
    if not failed:
        view.note("No matching photo has failed." if choice else "No photo has failed.")
    if not dead.found:
        view.note(_no_dead_letters(dead, choice))
    if more_failed or dead.more:
        _print_more(session, choice, len(failed) if more_failed else 0, dead)
    warn_about_unread(session, dead.unseen)


@dataclass(frozen=True)
class _Row:
    """A failure, its cells, and the text by which `retry --reason` finds it."""

    remedy: Remedy
    search_text: str
    cells: Sequence[AnyCell]


def _failed_row(failure: Failure) -> _Row:
    return _Row(
        failure.remedy,
        failure.error,
        (
            state("failed"),
            failure.image,
            moment(failure.failed_at, "dim"),
            failure.reason,
            failure.remedy,
        ),
    )


def _dead_row(dead: DeadLetterState) -> _Row:
    message = dead.message
    name: AnyCell = ", ".join(message.images)
    if not message.images:
        name = Cell(short_id(message.message_id), "dim", plain=message.message_id)
    reason = Cell(_BOTO_PREFIX.sub(r"\1: ", message.reason), plain=message.reason)
    time = moment(message.sent_at, "dim")
    return _Row(
        dead.remedy,
        message.error or message.reason,
        (Cell(*_STATES[dead.state]), name, time, reason, dead.remedy),
    )


def _show(session: Session, value: Any, rows: list[_Row], choice: FailureFilter) -> None:
    """Print a section for each remedy, with the command that applies it."""
    view = session.view
    if view.mode == "json":
        view.show(value)
    for remedy, title in _TITLES.items():
        section = [row for row in rows if row.remedy == remedy]
        if not section:
            continue
        if view.mode != "json":
            view.show(None, Table(COLUMNS, [row.cells for row in section], title=title))
        if remedy == "new_file":
            view.note("Fix the files, then upload them again: ", Command("upload", "PATH"))
        elif remedy == "discard":
            view.note("To delete them: ", Command("failures", "--discard"))
        else:
            alone = not value["more_failed"] and all(row.remedy != "new_file" for row in rows)
            for command in _retry_commands(section, choice, all_=alone):
                view.note("Next: ", command)


def _retry_commands(
    section: Sequence[_Row], choice: FailureFilter, *, all_: bool
) -> Iterator[Command]:
    """The commands that retry this section; with `all_`, nothing else would be retried."""
    under = ["--prefix", choice.prefix] if choice.prefix else []
    if all_ and not choice:
        yield Command("retry", "--all")
    elif all_:
        yield Command("retry", *(["--reason", choice.reason] if choice.reason else []), *under)
    else:
        for text in islice(dict.fromkeys(row.search_text for row in section), _MAX_COMMANDS):
            yield Command("retry", "--reason", text, *under)


def _no_dead_letters(dead: DeadLetterList, choice: FailureFilter) -> str:
    if dead.unseen:
        which = "No matching dead letter could be read."
        return which if choice else "No dead letter could be read right now."
    return "There are no matching dead letters." if choice else "There are no dead letters."


def short_id(message_id: str) -> str:
    """The start of a message's ID, which is enough to distinguish messages on a terminal."""
    return f"message {message_id[:8]}…"


def _print_more(session: Session, choice: FailureFilter, failed: int, dead: DeadLetterList) -> None:
    """Say how many results are not shown. With a choice their number is unknown."""
    from labelctl.aws import queues
    from labelctl.contract import schema

    stack, aws, view = session.stack, session.aws, session.view
    if view.quiet:
        return
    if choice:
        uncertain = dead.unseen.cut_off
        view.note(f"{'There may be more' if uncertain else 'More'} results: raise --limit.")
        return
    parts = []
    if failed:
        count, is_complete = session.reader.count_photos(schema.FAILED)
        at_least = "" if is_complete else "at least "
        parts.append(at_least + counted(max(count - failed, 1), "more failed photo"))
    if dead.more:
        left = queues.depth(aws.sqs, stack.dead_letter_queue).depth - len(dead.found)
        parts.append(f"about {counted(max(left, 1), 'more dead letter')}")
    view.note(f"Not shown: {' and '.join(parts)}. Raise --limit to see them.")


def warn_about_unread(session: Session, unseen: UnreadMessages) -> None:
    """Warn about dead letters that could not be read."""
    for sentence in unseen.sentences():
        session.view.warn(sentence)


def _discard(session: Session, yes: bool) -> None:
    from labelctl.operations import failures as core
    from labelctl.operations.dead_letters import UnreadMessages

    view = session.view
    ids, unseen = (None, UnreadMessages()) if yes else _confirmed(session)
    count = 0
    if yes or ids:
        with (
            view.meter("Deleting") as meter,
            closing(
                core.delete_unreadable(session.aws.sqs, session.stack.dead_letter_queue, ids)
            ) as deleted,
        ):
            for each in deleted:
                if isinstance(each, UnreadMessages):
                    unseen = each
                    continue
                count += 1
                _print_deleted(session, each)
                meter.update(count)
    warn_about_unread(session, unseen)
    if count:
        view.note(f"{counted(count, 'dead letter')} deleted.")
    elif unseen:
        view.note("No unreadable dead letter was found.")
    else:
        view.note("There are no unreadable dead letters.")


def _confirmed(session: Session) -> tuple[set[str], UnreadMessages]:
    """The IDs of the messages to delete, once the user has confirmed.

    No message is leased during the question, or the lease could expire.
    """
    from labelctl.operations import failures as core

    view = session.view
    with view.meter("Reading the dead letters"):
        ids, unseen = core.unreadable_ids(session.aws.sqs, session.stack.dead_letter_queue)
    if ids:
        answer = view.ask(
            f"Delete {counted(len(ids), 'dead letter')} that cannot be read? [y/N]",
            "Add --yes to confirm. `",
            Command("failures"),
            "` lists them.",
        )
        if answer.lower() not in ("y", "yes"):
            raise RefusedError("Nothing was deleted.", "Answer y to delete, or add --yes.")
    return ids, unseen


def _print_deleted(session: Session, message: DeadLetter) -> None:
    value = {"message_id": message.message_id, "outcome": "deleted", "body": message.body}
    name = Cell(short_id(message.message_id), plain=message.message_id)
    session.view.stream(value, DELETED_COLUMNS, (Cell("deleted", "dim"), name, message.reason))
