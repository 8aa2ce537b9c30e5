"""`labelctl retry`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.commands.failures import short, warn
from labelctl.cli.options import Patience, Wait
from labelctl.cli.output import Cell
from labelctl.cli.session import Session
from labelctl.errors import PhotosFailedError, UsageError
from labelctl.text import counted, printable

if TYPE_CHECKING:
    from collections.abc import Generator

    from labelctl.operations.dead_letters import Unseen
    from labelctl.operations.retry import Retried
    from labelctl.photos.versions import Awaited

_STYLES = {"queued": "green", "labelled": "dim", "left": "yellow"}


def retry(
    context: typer.Context,
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="[IMAGE...]", help="Photos' keys, or the paths that were uploaded."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All photos that failed, and all dead letters.")
    ] = False,
    reason: Annotated[
        str,
        typer.Option(help="Those whose error or reason has this in it.", metavar="TEXT"),
    ] = "",
    prefix: Annotated[
        str, typer.Option(help="Those whose keys begin so, such as holiday/.", metavar="TEXT")
    ] = "",
    wait: Wait = False,
    timeout: Patience = 600,
) -> None:
    """Put photos that failed back to work, dead letters included."""
    from labelctl.operations.dead_letters import Unseen

    session = Session.of(context)
    _check(images, every, bool(reason or prefix))
    view = session.view
    tally = dict.fromkeys(_STYLES, 0)
    awaited: dict[str, Awaited] = {}
    others: list[dict[str, Any]] = []
    unseen = Unseen()
    try:
        with (
            view.meter("Putting back to work") as meter,
            closing(_retried(session, images or [], prefix, reason)) as found,
        ):
            for each in found:
                if isinstance(each, Unseen):
                    unseen = each
                    continue
                tally[each.outcome] += 1
                _tell(session, each, wait)
                if wait:
                    _remember(session, each, awaited, others)
                meter.update(sum(tally.values()), words=each.image or "")
    except KeyboardInterrupt:
        view.note("Interrupted. The same command goes on with the rest.")
        raise
    _summary(session, tally, unseen, nothing_else=every)
    if wait:
        told = {"others": others, "hidden_dead_letters": unseen.hidden}
        _wait(session, list(awaited.values()), timeout, told)
    elif tally["queued"]:
        view.note(
            f"Next: {session.command('status')}; what fails again is in "
            f"{session.command('failures')}."
        )


def _check(images: list[str] | None, every: bool, choice: bool) -> None:
    given = [bool(images), every, choice]
    if sum(given) > 1:
        raise UsageError(
            "IMAGE, --all, and --reason or --prefix are three ways to say what is to be retried.",
            "Give one of them.",
        )
    if not any(given):
        raise UsageError(
            "What is to be retried?",
            "Name photos, or give --all, or choose by --reason or --prefix. "
            "`labelctl failures` lists what there is.",
        )


def _retried(
    session: Session, images: list[str], prefix: str, reason: str
) -> Generator[Retried | Unseen, None, None]:
    from labelctl.operations import retry
    from labelctl.operations.failures import Choice

    stack, aws = session.stack, session.aws
    if images:
        # All are looked for before anything is done, so that a slip of the pen costs nothing.
        yield from retry.these(aws, stack, retry.meant(aws, stack, images))
    else:
        yield from retry.every(aws, stack, Choice(prefix, reason))


def _tell(session: Session, each: Retried, wait: bool) -> None:
    """A line for each. With --wait the result is the labels, so this goes along the way."""
    view = session.view
    message_id = each.message_id or ""
    cells: list[str | Cell] = [each.outcome, each.image or message_id, each.why]
    if view.mode == "table":
        name = each.image or short(message_id)
        style = _STYLES[each.outcome]
        cells = [Cell(f"{each.outcome:<9}", style), f"{printable(name):<24}", Cell(each.why, "dim")]
    if not wait:
        view.stream(_json(each), cells)
    elif each.outcome == "left":
        view.step(*cells, always=True)


def _json(each: Retried) -> dict[str, Any]:
    return {
        "image": each.image,
        "message_id": each.message_id,
        "outcome": each.outcome,
        "why": each.why,
    }


def _remember(
    session: Session, each: Retried, awaited: dict[str, Awaited], others: list[dict[str, Any]]
) -> None:
    """What is to be waited for; and what is not, as there is a result already, or will be none."""
    from labelctl.operations import retry

    photo = each.awaited and retry.known(session.aws.s3, session.stack.bucket, each.awaited)
    if photo is None or each.outcome != "queued":
        others.append(_json(each))
    if photo is None:
        return
    before = awaited.get(photo.key)
    if before is None or before.sequencer <= photo.sequencer:
        awaited[photo.key] = photo


def _summary(session: Session, tally: dict[str, int], unseen: Unseen, nothing_else: bool) -> None:
    view = session.view
    warn(session, unseen)
    parts = [f"{count:,} {outcome}" for outcome, count in tally.items() if count]
    if parts:
        view.note(", ".join(parts) + ".")
    elif unseen:
        view.note("Nothing that failed was found.")
    else:
        view.note(
            "No photo has failed, and there are no dead letters."
            if nothing_else
            else "Nothing that failed is meant by that."
        )
    if tally["left"]:
        view.note(
            f"{counted(tally['left'], 'dead letter')} cannot be read, and would come straight back. "
            f"To delete such: {session.command('failures --discard')}"
        )


def _wait(session: Session, sent: list[Awaited], timeout: float, told: dict[str, Any]) -> None:
    from labelctl.cli.commands._wait import awaited

    failed = awaited(session, sent, timeout, told)
    if failed:
        raise PhotosFailedError(
            f"{failed:,} of {counted(len(sent), 'photo')} could not be labelled.",
            "The reasons are above" + ("; the others are done." if failed < len(sent) else "."),
        )
