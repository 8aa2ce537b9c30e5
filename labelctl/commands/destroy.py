"""`labelctl destroy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from labelctl.commands.progress import follow
from labelctl.errors import RefusedError
from labelctl.options import Yes
from labelctl.session import Session

if TYPE_CHECKING:
    from labelctl.stack import Stack


def destroy(
    context: typer.Context,
    yes: Yes = False,
) -> None:
    """Delete the pipeline, all photos and labels.

    It leaves nothing behind.
    """
    from labelctl import destroy as core

    session = Session.of(context)
    view, name = session.view, session.options.stack
    stacks = core.doomed(session.aws, name)
    if not yes:
        _ask(session, stacks)
    deleted = 0
    for stack in stacks:
        events = core.destroy(session.aws, stack)
        deleted += follow(session, events, f"Destroying {stack.name}")
    result = {"stack": name, "destroyed": [stack.name for stack in stacks], "versions": deleted}
    view.show(result)
    view.note(f'The stack "{name}" is gone, and all it held.', "green")


def _ask(session: Session, stacks: list[Stack]) -> None:
    name = session.options.stack
    session.view.warn(f'This deletes the stack "{name}" for good: {_lost(session, stacks[0])}.')
    answer = session.view.ask(
        f"Type the stack's name ({name}) to go on:",
        yes_means="Add --yes if you are sure.",
    )
    if answer != name:
        raise RefusedError("Not destroyed: that is not the stack's name.", "Nothing was changed.")


def _lost(session: Session, stack: Stack) -> str:
    from botocore.exceptions import ClientError

    from labelctl import aws, queues, schema

    if "Table" not in stack.outputs:
        return "what is left of it"
    if "LabelsTable" not in stack.outputs:
        return (
            f"all photos in the bucket {stack.bucket} and all labels, stored by an earlier labelctl"
        )
    try:
        labelled = session.reader.count_photos(schema.LABELLED)
        failed = session.reader.count_photos(schema.FAILED)
        waiting = queues.depth(session.aws.sqs, stack.queue).depth
    except ClientError as error:
        if not aws.is_missing(error):
            raise
        return "what an earlier destroy left of it"
    return (
        f"all photos in the bucket {stack.bucket} ({labelled:,} labelled, {failed:,} failed, "
        f"{waiting:,} waiting) and all labels"
    )
