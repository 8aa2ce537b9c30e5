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
    from botocore.exceptions import ClientError

    from labelctl.aws import errors, queues
    from labelctl.contract import schema

    if "Table" not in stack.outputs:
        return "its remaining resources"
    if "LabelsTable" not in stack.outputs:
        return f"all photos in the bucket {stack.bucket} and all labels of an earlier labelctl"
    try:
        labelled = session.reader.count_photos(schema.LABELLED)
        failed = session.reader.count_photos(schema.FAILED)
        waiting = queues.depth(session.aws.sqs, stack.queue).depth
    except ClientError as error:
        if not errors.is_missing(error):
            raise
        return "the resources that an earlier destroy left"
    return (
        f"all photos in the bucket {stack.bucket} ({labelled:,} labelled, {failed:,} failed, "
        f"{waiting:,} waiting) and all labels"
    )
