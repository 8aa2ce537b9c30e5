"""`labelctl deploy`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.commands._stack_events import follow
from labelctl.cli.options import Yes
from labelctl.cli.output import Cell, Column, Table
from labelctl.cli.session import Session
from labelctl.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from labelctl.deploy.change_sets import Plan
    from labelctl.deploy.stack import Settings, Stack

RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""The days that CloudWatch knows; the template lists them too."""

AGES = (300, 13 * 86400)
"""The seconds that a photo may wait before an alarm; the template says so too."""

_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")  # what it really is, AWS's mail finds out
_STYLES = {"Add": "green", "Modify": "yellow", "Import": "green"}


def deploy(
    context: typer.Context,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0, max=100, help="Store labels of at least this confidence. At first: 55."
        ),
    ] = None,
    max_labels: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, metavar="N", help="Store at most this many a photo. At first: 100."
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=2, max=1000, help="Copies of the function at once, 10 photos each. At first: 4."
        ),
    ] = None,
    image_properties: Annotated[
        bool | None,
        typer.Option(
            "--image-properties/--no-image-properties",
            help="Also store colours and quality, which AWS bills on top. At first: no.",
        ),
    ] = None,
    log_retention: Annotated[
        int | None,
        typer.Option(
            metavar="DAYS", help="Keep the function's log for so many days. At first: 30."
        ),
    ] = None,
    alarm_email: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Mail there when photos wait too long or keep failing."
        ),
    ] = None,
    no_alarm: Annotated[
        bool, typer.Option("--no-alarm", help="Mail nobody any more, as at first.")
    ] = False,
    alarm_age: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="So long a photo may wait: 30m, 12h, 1d. At first: 12h."),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Tag all of it; may be repeated.")
    ] = None,
    yes: Yes = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
) -> None:
    """Make the pipeline, or change it.

    A setting that is not given keeps what is deployed.
    """
    from labelctl.deploy.stack import Settings

    session = Session.of(context)
    settings = Settings(
        min_confidence=min_confidence,
        max_labels=max_labels,
        concurrency=concurrency,
        image_properties=image_properties,
        log_retention=log_retention,
        alarm_email=_address(alarm_email, no_alarm),
        alarm_age=_age(alarm_age),
        tags=_tags(tag),
    )
    if log_retention is not None and log_retention not in RETENTIONS:
        raise UsageError(
            f"--log-retention {log_retention} is not one that CloudWatch knows.",
            f"Choose one of {', '.join(map(str, RETENTIONS))} days.",
        )
    if dry_run:
        _show_dry_run(session, settings)
        return
    deployed, planned = carry_out(session, settings, yes=yes)
    session.view.show(_json(deployed, planned), _outputs(deployed))
    verb = "is deployed" if planned.changes else "is up to date"
    session.view.note(f'The stack "{deployed.name}" {verb}.', "green")
    if alarm_email:
        new = any(change.name == "AlarmSubscription" for change in planned.changes)
        _tell_of_alarms(session, alarm_email, new)
    if planned.creates and not session.options.local:
        session.view.note(
            "S3 may take some minutes before it tells of what is put into a new bucket. What it has"
            f" not told of, this finds: {session.command('verify --repair')}"
        )
    session.view.note(f"Next: {session.command('upload photo.jpg')}")


def carry_out(session: Session, settings: Settings, *, yes: bool) -> tuple[Stack, Plan]:
    """Deploy, telling what happens and asking what is to be asked; returns what was done."""
    from labelctl.deploy import deploy as core
    from labelctl.deploy import stack as stacks

    name, aws = session.options.stack, session.aws
    _warn_of_region(session)
    left = core.leftover(aws, name)
    if left:
        _clean_up(session, left)
    follow(session, core.ensure_artifacts(aws, name, settings.tags), "Making the artifact bucket")
    with session.view.meter("Planning"):
        planned = core.plan(aws, name, settings)
    _show_plan(session, planned)
    if any(change.loses_data for change in planned.changes) and not yes:
        _ask(session, planned)
    follow(session, core.carry_out(aws, planned), "Deploying")
    return stacks.require(aws.cloudformation, name, session.options.local), planned


def _show_dry_run(session: Session, settings: Settings) -> None:
    from labelctl.deploy import change_sets
    from labelctl.deploy import deploy as core

    name, aws = session.options.stack, session.aws
    _warn_of_region(session)
    if left := core.leftover(aws, name):
        raise RefusedError(
            f'The stack "{name}" is in {left.stack.status}: there is nothing to compare with.',
            "`labelctl deploy` deletes it and makes everything anew.",
        )
    with session.view.meter("Planning"):
        planned = core.plan(aws, name, settings, dry=True)
    try:
        session.view.show(_plan_json(name, planned), _plan_table(planned))
        way = " To do it: the same command without --dry-run." if planned.changes else ""
        session.view.note(f"Nothing was changed.{way}")
    finally:
        if planned.changes:
            change_sets.discard(aws.cloudformation, planned)


def _warn_of_region(session: Session) -> None:
    if not session.aws.has_rekognition():
        session.view.warn(
            f"Rekognition is not known to be in {session.aws.region}. If it is not, the function "
            "will fail: choose another region with --region."
        )


def _tell_of_alarms(session: Session, address: str, new: bool) -> None:
    """AWS drops an address whose link is not clicked within two days; CloudFormation does not notice.

    [SNS, Deleting an Amazon SNS topic and subscription]
    """
    note = session.view.note
    if session.options.local:
        note(f"The alarms are set, but the local cloud mails nothing to {address}.")
    elif new:
        note(
            f"AWS sends a mail to {address}: click its link within two days, or no alarm will arrive.",
            "yellow",
        )
    else:
        note(
            f"{address} was set already. This warns if nobody has clicked the link in AWS's mail: "
            f"{session.command('status')}"
        )


def _address(given: str | None, none: bool) -> str | None:
    if given is None:
        return "" if none else None
    if none:
        raise UsageError("--alarm-email and --no-alarm contradict each other.", "Give one of them.")
    if not _ADDRESS.fullmatch(given):
        raise UsageError(
            f'--alarm-email "{given}" is not an e-mail address.',
            "Give one like you@example.com; --no-alarm takes the alarms away.",
        )
    return given


def _age(given: str | None) -> int | None:
    from labelctl.operations import function_log

    if given is None:
        return None
    age = round(function_log.seconds(given))
    if not AGES[0] <= age <= AGES[1]:
        raise UsageError(
            f"--alarm-age {given} is not from 5 minutes to 13 days.",
            "SQS keeps a message for 14 days.",
        )
    return age


def _tags(given: list[str] | None) -> dict[str, str]:
    tags = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not equals or not key or not value:
            raise UsageError(
                f'--tag "{text}" is not of the form KEY=VALUE.', "Neither may be empty."
            )
        tags[key] = value
    return tags


def _clean_up(session: Session, left: Any) -> None:
    from labelctl.deploy import destroy

    if left.cause:
        session.view.warn(
            f"The last deploy failed at {left.cause.name}: {left.cause.reason}",
            "Removing what it left, and deploying anew.",
        )
    follow(
        session,
        # More than deleting the stack: its rollback may have got stuck at the protected table.
        destroy.destroy(session.aws, left.stack),
        "Removing what an earlier deploy left",
    )


def _show_plan(session: Session, planned: Plan) -> None:
    if not planned.changes:
        return
    for key, (old, new) in _settings(planned).items():
        session.view.step(Cell("SETTING    ", "yellow"), f"{key:<18}", _step(old, new))
    for change in planned.changes:
        style = _STYLES.get(change.action, "bold red")
        session.view.step(
            Cell(f"{change.action.upper():<11}", style),
            f"{change.name:<18}",
            Cell(change.type, "dim"),
            Cell(change.why, "dim"),
        )


def _settings(planned: Plan) -> dict[str, tuple[str, str]]:
    """The settings that change; that the zip's key does is told by the function's change."""
    from labelctl.deploy.stack import SETTINGS

    return {key: pair for key, pair in planned.parameters.items() if key in SETTINGS}


def _step(old: str, new: str) -> str:
    return f"{old or 'none'} → {new or 'none'}"


def _ask(session: Session, planned: Plan) -> None:
    lost = [change for change in planned.changes if change.loses_data]
    session.view.warn(
        "This holds data, which would be lost or left behind: "
        + ", ".join(f"{change.name} ({change.action.lower()})" for change in lost)
    )
    from labelctl.deploy import change_sets

    try:
        answer = session.view.ask(
            "Go on? [y/N]", yes_means="Look at the plan, then add --yes to carry it out."
        )
    except BaseException:
        change_sets.discard(session.aws.cloudformation, planned)
        raise
    if answer.lower() not in ("y", "yes"):
        change_sets.discard(session.aws.cloudformation, planned)
        raise RefusedError("Not deployed, as you said.", "Nothing was changed.")


def _plan_table(planned: Plan) -> Table:
    return Table(
        columns=(Column("Change"), Column("Resource"), Column("Type", style="dim"), Column("Why")),
        rows=[
            *[
                (Cell("SETTING", "yellow"), key, "", _step(old, new))
                for key, (old, new) in _settings(planned).items()
            ],
            *[
                (
                    Cell(change.action.upper(), _STYLES.get(change.action, "bold red")),
                    change.name,
                    change.type,
                    change.why,
                )
                for change in planned.changes
            ],
        ],
        empty="Nothing would change.",
    )


def _plan_json(name: str, planned: Plan) -> dict[str, Any]:
    return {
        "stack": name,
        "settings_changed": {
            key: {"from": old, "to": new} for key, (old, new) in _settings(planned).items()
        },
        "changes": [
            {
                "action": change.action,
                "resource": change.name,
                "type": change.type,
                "why": change.why,
                "loses_data": change.loses_data,
            }
            for change in planned.changes
        ],
    }


def _outputs(stack: Stack) -> Table:
    return Table(
        columns=(Column("Output", style="bold"), Column("Value")),
        rows=list(stack.outputs.items()),
    )


def _json(stack: Stack, planned: Plan) -> dict[str, Any]:
    return {
        **_plan_json(stack.name, planned),
        "stack_id": stack.id,
        "status": stack.status,
        "settings": stack.settings.as_json(),
        "outputs": dict(stack.outputs),
    }
