"""`labelctl failures`."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from labelctl import times
from labelctl.cli.options import Prefix
from labelctl.cli.session import Session
from labelctl.cli.tables import Cell, Column, Table
from labelctl.errors import Command, RefusedError, UsageError
from labelctl.text import counted, printable

if TYPE_CHECKING:
    from labelctl.operations.dead_letters import DeadLetter, UnreadMessages
    from labelctl.operations.failures import DeadLetterList, Failure, FailureFilter

_STATES = {
    "waiting": Cell("no result", "red"),
    "failed": Cell("failed", "dim"),
    "labelled": Cell("labelled", "dim"),
    "removed": Cell("removed", "dim"),
    "unreadable": Cell("unreadable", "yellow"),
}

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
    with view.meter("Reading failures"):
        failed, more_failed = core.take(core.failed_photos(session.reader, choice), limit)
        dead = core.list_dead_letters(
            aws.sqs, stack.dead_letter_queue, session.reader, choice, limit
        )
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
        _print_more(session, choice, len(failed) if more_failed else 0, dead)
    warn_about_unread(session, dead.unseen)
    if failed or any(each.message.images for each in dead.found):
        view.note(
            "Next: ",
            Command("retry", "--all"),
            ", or use IMAGE, --reason or --prefix instead of --all.",
        )
    if any(each.state == "unreadable" for each in dead.found):
        view.note("To delete unreadable dead letters: ", Command("failures", "--discard"))


def _failed_table(failed: list[Failure], session: Session, choice: FailureFilter) -> Table:
    plain = session.view.mode == "plain"
    return Table(
        columns=(Column("Failed at"), Column("Photo", style="bold"), Column("Reason", style="red")),
        rows=[
            ("failed", each.image, each.failed_at, each.error, each.reason)
            if plain
            else (times.local_minute(each.failed_at), each.image, each.reason)
            for each in failed
        ],
        empty="No matching photo has failed." if choice else "No photo has failed.",
        title="Failed photos",
    )


def _dead_table(dead: DeadLetterList, session: Session, choice: FailureFilter) -> Table:
    plain = session.view.mode == "plain"
    empty = "There are no matching dead letters." if choice else "There are no dead letters."
    if dead.unseen:
        empty = (
            "No matching dead letter could be read."
            if choice
            else "No dead letter could be read right now."
        )
    rows: list[list[str | Cell]] = []
    for each in dead.found:
        message = each.message
        name = ", ".join(message.images) or message.message_id
        if plain:
            about = [message.sent_at, message.error, message.reason]
            rows.append(["dead letter", name, *about, each.state])
        else:
            shown = name if message.images else Cell(short_id(name), "dim")
            reason = _BOTO_PREFIX.sub(r"\1: ", message.reason)
            rows.append([times.local_minute(message.sent_at), shown, _STATES[each.state], reason])
    return Table(
        columns=(
            Column("Sent at"),
            Column("Photo", style="bold"),
            Column("State now"),
            Column("Reason"),
        ),
        rows=rows,
        empty=empty,
        title="Dead letters",
    )


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
        left = session.reader.count_photos(schema.FAILED) - failed
        parts.append(counted(max(left, 1), "more failed photo"))
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
    cells: list[str | Cell] = ["deleted", message.message_id, message.reason]
    if session.view.mode == "table":
        cells = [Cell("deleted  ", "dim"), short_id(message.message_id), printable(message.reason)]
    session.view.stream(value, cells)
