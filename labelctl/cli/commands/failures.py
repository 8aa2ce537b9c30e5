"""`labelctl failures`."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from labelctl.cli.options import Prefix
from labelctl.cli.output import Cell, Column, Table
from labelctl.cli.session import Session
from labelctl.errors import RefusedError, UsageError
from labelctl.text import counted, printable

if TYPE_CHECKING:
    from labelctl.operations.dead_letters import DeadLetter, Unseen
    from labelctl.operations.failures import Choice, Failure, SetAside

_NOW = {
    "waiting": Cell("no result", "red"),
    "failed": Cell("since failed", "dim"),
    "labelled": Cell("since labelled", "dim"),
    "removed": Cell("since removed", "dim"),
    "unreadable": Cell("unreadable", "yellow"),
}

_WORDY = re.compile(r"^An error occurred \(\w+\) when calling the (\w+) operation: ")
"""How boto3 begins; in a narrow column the rest matters more."""


def failures(
    context: typer.Context,
    prefix: Prefix = "",
    reason: Annotated[
        str,
        typer.Option(help="Only those whose error or reason has this in it.", metavar="TEXT"),
    ] = "",
    limit: Annotated[
        int, typer.Option(min=1, metavar="COUNT", help="At most so many of each kind.")
    ] = 100,
    discard: Annotated[
        bool, typer.Option("--discard", help="Delete the dead letters that cannot be read.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --discard: never ask.")] = False,
) -> None:
    """List photos that could not be labelled, and dead letters."""
    from labelctl.operations import failures as core

    session = Session.of(context)
    choice = core.Choice(prefix, reason)
    if discard:
        if choice:
            raise UsageError(
                "--discard goes with neither --prefix nor --reason.",
                "It deletes all dead letters that tell of no photo, and nothing else.",
            )
        _discard(session, yes)
        return
    stack, aws, view = session.stack, session.aws, session.view
    with view.meter("Asking"):
        failed, more_failed = core.first(core.failed(session.reader, choice), limit)
        dead = core.set_aside(aws.sqs, stack.dead_letters, session.reader, choice, limit)
    view.show(
        {
            "failed": [each.as_json() for each in failed],
            "dead_letters": [each.as_json() for each in dead.found],
            "more_failed": more_failed,
            "more_dead_letters": dead.more,
            "hidden_dead_letters": dead.unseen.hidden,
        },
        _failed_table(failed, session, choice),
        _dead_table(dead, session, choice),
    )
    if more_failed or dead.more:
        _tell_more(session, choice, len(failed) if more_failed else 0, dead)
    warn(session, dead.unseen)
    if failed or any(each.letter.images for each in dead.found):
        view.note(
            f"Next: {session.command('retry --all')}, "
            "or with IMAGE, --reason or --prefix instead of --all."
        )
    if any(each.state == "unreadable" for each in dead.found):
        view.note(
            f"To delete dead letters that cannot be read: {session.command('failures --discard')}"
        )


def _failed_table(failed: list[Failure], session: Session, choice: Choice) -> Table:
    plain = session.view.mode == "plain"
    return Table(
        columns=(Column("Failed"), Column("Photo", style="bold"), Column("Reason", style="red")),
        rows=[
            ("failed", each.image, each.failed_at, each.error, each.reason)
            if plain
            else (_local(each.failed_at), each.image, each.reason)
            for each in failed
        ],
        empty="No such photo has failed." if choice else "No photo has failed.",
        title="Photos that could not be labelled",
    )


def _dead_table(dead: SetAside, session: Session, choice: Choice) -> Table:
    plain = session.view.mode == "plain"
    empty = "There are no such dead letters." if choice else "There are no dead letters."
    if dead.unseen:
        empty = (
            "No such dead letter was found." if choice else "No dead letter can be seen right now."
        )
    rows: list[list[str | Cell]] = []
    for each in dead.found:
        letter = each.letter
        name = ", ".join(letter.images) or letter.message_id
        if plain:
            about = [letter.sent_at, letter.error, letter.reason]
            rows.append(["dead letter", name, *about, each.state])
        else:
            shown = name if letter.images else Cell(short(name), "dim")
            reason = _WORDY.sub(r"\1: ", letter.reason)
            rows.append([_local(letter.sent_at), shown, _NOW[each.state], reason])
    return Table(
        columns=(
            Column("Sent"),
            Column("Photo", style="bold"),
            Column("Now"),
            Column("Why it was set aside"),
        ),
        rows=rows,
        empty=empty,
        title="Dead letters",
    )


def short(message_id: str) -> str:
    """Enough of a message's id to tell it from others on a terminal."""
    return f"message {message_id[:8]}…"


def _local(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"


def _tell_more(session: Session, choice: Choice, failed: int, dead: SetAside) -> None:
    """How many there are besides those shown; with a choice nobody has counted them."""
    from labelctl.aws import queues
    from labelctl.contract import schema

    stack, aws, view = session.stack, session.aws, session.view
    if view.quiet:
        return
    parts = []
    if choice:
        parts = ["there may be more of them" if dead.unseen.cut_off else "there are more of them"]
    if failed and not choice:
        left = session.reader.count_photos(schema.FAILED) - failed
        parts.append(f"{max(left, 1):,} more failed photos")
    if dead.more and not choice:
        left = queues.depth(aws.sqs, stack.dead_letters).depth - len(dead.found)
        parts.append(f"about {counted(max(left, 1), 'more dead letter')}")
    view.note(f"… and {' and '.join(parts)}: --limit COUNT shows them.")


def warn(session: Session, unseen: Unseen) -> None:
    """Say which dead letters were not looked at, so that nobody thinks that there are none."""
    for sentence in unseen.sentences():
        session.view.warn(sentence)


def _discard(session: Session, yes: bool) -> None:
    from labelctl.operations import failures as core
    from labelctl.operations.dead_letters import Unseen

    view = session.view
    ids, unseen = (None, Unseen()) if yes else _confirmed(session)
    count = 0
    if yes or ids:
        with (
            view.meter("Deleting") as meter,
            closing(core.discard(session.aws.sqs, session.stack.dead_letters, ids)) as gone,
        ):
            for each in gone:
                if isinstance(each, Unseen):
                    unseen = each
                    continue
                count += 1
                _tell_deleted(session, each)
                meter.update(count)
    warn(session, unseen)
    if count:
        view.note(f"{counted(count, 'dead letter')} deleted.")
    elif unseen:
        view.note("No dead letter was found that cannot be read.")
    else:
        view.note("There are no dead letters that cannot be read.")


def _confirmed(session: Session) -> tuple[set[str], Unseen]:
    """The ids of those that may be deleted. Nothing is held while the question waits."""
    from labelctl.operations import failures as core

    view = session.view
    with view.meter("Reading the dead letters"):
        ids, unseen = core.unreadable(session.aws.sqs, session.stack.dead_letters)
    if ids:
        answer = view.ask(
            f"Delete {counted(len(ids), 'dead letter')} that cannot be read? [y/N]",
            yes_means="Add --yes if you are sure; `labelctl failures` shows them.",
        )
        if answer.lower() not in ("y", "yes"):
            raise RefusedError("Nothing was deleted.", "")
    return ids, unseen


def _tell_deleted(session: Session, letter: DeadLetter) -> None:
    told = {"message_id": letter.message_id, "outcome": "deleted", "body": letter.body}
    cells: list[str | Cell] = ["deleted", letter.message_id, letter.reason]
    if session.view.mode == "table":
        cells = [Cell("deleted  ", "dim"), short(letter.message_id), printable(letter.reason)]
    session.view.stream(told, cells)
