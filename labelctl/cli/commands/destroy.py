"""`labelctl destroy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from labelctl.cli.commands._stack_events import follow
from labelctl.cli.options import Yes
from labelctl.cli.session import Session
from labelctl.errors import RefusedError

if TYPE_CHECKING:
    from labelctl.deploy.stack import Stack


def destroy(
    context: typer.Context,
    yes: Yes = False,
) -> None:
    """Delete the pipeline with all photos and labels.

    No resources are left behind.
    """
    from labelctl.deploy import destroy as core

    session = Session.of(context)
    view, name = session.view, session.options.stack
    stacks = core.stacks_to_delete(session.aws, name)
    if not yes:
        _confirm(session, stacks)
    deleted = 0
    for stack in stacks:
        events = core.destroy(session.aws, stack)
        deleted += follow(session, events, f"Destroying {stack.name}")
    session.names.discard()
    result = {"stack": name, "destroyed": [stack.name for stack in stacks], "versions": deleted}
    view.show(result)
    view.note(f'The stack "{name}" and everything in it were deleted.', style="green")


def _confirm(session: Session, stacks: list[Stack]) -> None:
    """Ask for the stack's name. Raises RefusedError for another answer."""
    name = session.options.stack
    session.view.warn(
        f'This permanently deletes the stack "{name}": {_contents(session, stacks[0])}.'
    )
    answer = session.view.ask(
        f"Type the stack's name ({name}) to continue:",
        "Add --yes to confirm.",
    )
    if answer != name:
        raise RefusedError("Not destroyed: the name does not match.", "Nothing was changed.")


def _contents(session: Session, stack: Stack) -> str:
    """What the stack holds, in words."""
    from labelctl.deploy import destroy as core

    if counts := _counts(session, stack):
        return f"all photos in the bucket {stack.bucket} ({', '.join(counts)}) and all labels"
    if data := core.find_data(session.aws, stack):
        return f"all photos and labels in {', '.join(data)}"
    return "its remaining resources, which contain no photos or labels"


def _counts(session: Session, stack: Stack) -> list[str]:
    """The number of photos in each state. None if a table is missing; none waiting without a queue."""
    from botocore.exceptions import ClientError

    from labelctl.aws import errors, queues
    from labelctl.labels.reader import Reader

    counts: list[str] = []
    if not {"PhotosBucket", "Table", "LabelsTable", "Queue"} <= stack.outputs.keys():
        return counts
    reader = Reader(session.aws.dynamodb, stack.table, stack.labels_table)
    try:
        photos = reader.count_states()
        for state, count in (("labelled", photos.labelled), ("failed", photos.failed)):
            counts.append(f"{photos.approximate.get(state, '')} {count:,} {state}".lstrip())
        counts.append(f"{queues.depth(session.aws.sqs, stack.queue).depth:,} waiting")
    except ClientError as error:
        if not errors.is_missing(error):
            raise
    return counts
