"""`labelctl deploy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.commands import _option_values, _quotas
from labelctl.cli.commands._stack_events import follow
from labelctl.cli.options import Yes
from labelctl.cli.session import Session
from labelctl.cli.tables import Cell, Column, Table
from labelctl.cli.values import count, percent_option
from labelctl.errors import Command, RefusedError, UsageError
from labelctl.text import volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelctl.deploy.change_sets import Plan
    from labelctl.deploy.deploy import FailedFirstDeploy
    from labelctl.deploy.stack import Settings, Stack

COLUMNS = (Column("Change", width=7), Column("Resource", width=17), Column("Type"), Column("Why"))
_STYLES = {"Add": "green", "Modify": "yellow", "Import": "green"}


def deploy(
    context: typer.Context,
    min_confidence: Annotated[
        float | None,
        percent_option("Store labels with at least this confidence. [default for a new stack: 55]"),
    ] = None,
    max_labels: Annotated[
        int | None,
        typer.Option(
            parser=count(maximum=1000),
            metavar="N",
            help="Store at most N labels per photo (1 to 1,000). [default for a new stack: 100]",
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            parser=count(2, 1000),
            metavar="N",
            help="Run at most N copies of the function (2 to 1,000), 10 photos each. [default for a"
            " new stack: as many as Rekognition's quota needs, or 4 if it is unknown]",
        ),
    ] = None,
    image_properties: Annotated[
        bool | None,
        typer.Option(
            "--image-properties/--no-image-properties",
            help="Also store colours and image quality. AWS charges extra for them. [default for a"
            " new stack: no]",
        ),
    ] = None,
    log_retention: Annotated[
        int | None,
        typer.Option(
            parser=count(),
            metavar="DAYS",
            help="Days to keep the function's log. [default for a new stack: 30]",
        ),
    ] = None,
    alarm_email: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Email this address when photos wait too long or keep failing."
        ),
    ] = None,
    no_alarm: Annotated[bool, typer.Option("--no-alarm", help="Remove the alarms.")] = False,
    alarm_age: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Alert when a photo waits longer than this (30m, 12h, 1d). [default for a new"
            " stack: 12h]",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Tag all resources. Can be repeated."),
    ] = None,
    yes: Yes = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the changes without making them.")
    ] = False,
) -> None:
    """Create or update the pipeline.

    Settings that you leave out keep their deployed values.
    """
    from labelctl.deploy.stack import Settings

    session = Session.of(context)
    settings = Settings(
        min_confidence=min_confidence,
        max_labels=max_labels,
        concurrency=concurrency,
        image_properties=image_properties,
        log_retention=log_retention,
        alarm_email=_option_values.address(alarm_email, no_alarm),
        alarm_age=_option_values.age(alarm_age),
        tags=_option_values.tags(tag),
    )
    if log_retention is not None and log_retention not in _option_values.RETENTIONS:
        raise UsageError(
            f"CloudWatch does not support --log-retention {log_retention}.",
            f"Choose one of {', '.join(map(str, _option_values.RETENTIONS))} days.",
        )
    if dry_run:
        _show_dry_run(session, settings)
        return
    deployed, planned = execute(session, settings, yes=yes)
    session.view.show(_json(deployed, planned), _outputs(deployed))
    verb = "is deployed" if planned.change_set else "is up to date"
    session.view.note(f'The stack "{deployed.name}" {verb}.', style="green")
    if alarm_email:
        new = any(change.name == "AlarmSubscription" for change in planned.changes)
        _print_alarm_note(session, alarm_email, new)
    if planned.creates and not session.options.local:
        session.view.note(
            "S3 may take a few minutes to send events for a new bucket. To queue photos that it"
            " missed: ",
            Command("verify", "--repair"),
        )
    session.view.note("Next: ", Command("upload", "photo.jpg"))


def execute(session: Session, settings: Settings, *, yes: bool) -> tuple[Stack, Plan]:
    """Deploy, printing progress and asking for confirmation; return the stack and the plan."""
    from labelctl.deploy import change_sets, notifications
    from labelctl.deploy import deploy as core
    from labelctl.deploy import quotas as account
    from labelctl.deploy import stack as stacks

    name, aws = session.options.stack, session.aws
    _warn_about_region(session)
    left = core.find_failed_first_deploy(aws, name)
    if left:
        _clean_up(session, left, yes)
    with session.view.meter("Planning"):
        quotas = account.read(aws)
        artifacts = core.plan_artifacts(aws, name, settings.tags)
    _confirm(session, artifacts, yes)
    events = change_sets.execute(aws.cloudformation, artifacts)
    follow(session, events, "Creating the artifact bucket")
    with session.view.meter("Planning") as meter:

        def uploading(size: int) -> None:
            meter.step(f"Uploading the function ({volume(size)})" if size else "Planning")

        planned = core.plan(aws, name, settings, quotas, uploading=uploading)
    _show_plan(session, planned)
    _confirm(session, planned, yes)
    follow(session, core.execute(aws, planned), "Deploying")
    deployed = stacks.require(aws.cloudformation, name, session.options.local)
    _quotas.explain(session, planned, quotas, deployed.settings.concurrency or 0)
    if not planned.creates and notifications.restore(aws.s3, deployed):
        session.view.warn(
            f"Restored the event notifications of the bucket {deployed.bucket}, which another tool had"
            " replaced.",
            "To queue photos that were uploaded meanwhile: ",
            Command("verify", "--repair"),
        )
    return deployed, planned


def _show_dry_run(session: Session, settings: Settings) -> None:
    from labelctl.deploy import change_sets, notifications
    from labelctl.deploy import deploy as core
    from labelctl.deploy import quotas as account
    from labelctl.deploy import stack as stacks

    name, aws = session.options.stack, session.aws
    _warn_about_region(session)
    if left := core.find_failed_first_deploy(aws, name):
        raise RefusedError(
            f'The stack "{name}" is in {left.stack.status}, so changes cannot be previewed.',
            "`",
            Command("deploy"),
            "` deletes it and creates it again.",
        )
    with session.view.meter("Planning"):
        planned = core.plan(aws, name, settings, account.read(aws), dry=True)
    try:
        session.view.show(_plan_json(name, planned), _plan_table(planned))
        deployed = stacks.find(aws.cloudformation, name)
        if (
            deployed
            and deployed.outputs.keys() >= stacks.OUTPUTS
            and not notifications.are_complete(aws.s3, deployed)
        ):
            session.view.note(
                "A deploy would restore the bucket's event notifications, which another tool has"
                " replaced."
            )
        if planned.change_set:
            session.view.note("Nothing was changed. To apply this, leave out --dry-run.")
    finally:
        change_sets.discard(aws.cloudformation, planned)


def _warn_about_region(session: Session) -> None:
    if not session.aws.has_rekognition():
        session.view.warn(
            f"Rekognition may not be available in {session.aws.region}.",
            "If photos fail, choose another region with --region.",
        )


def _print_alarm_note(session: Session, address: str, new: bool) -> None:
    """Ask the user to confirm the address.

    SNS drops an address that is not confirmed within two days; CloudFormation does not notice.
    [SNS, Deleting an Amazon SNS topic and subscription]
    """
    note = session.view.note
    if session.options.local:
        note(f"The alarms are set, but the local cloud sends no email to {address}.")
    elif new:
        note(
            f"AWS sends an email to {address}. Click its link within two days to receive alarms.",
            style="yellow",
        )
    else:
        note(f"{address} was already set. To check that it is confirmed: ", Command("status"))


def _clean_up(session: Session, left: FailedFirstDeploy, yes: bool) -> None:
    from labelctl.deploy import destroy

    if left.cause:
        session.view.warn(
            f"The last deploy failed at {left.cause.name}: {left.cause.reason}",
            "Removing its resources and deploying again.",
        )
    data = [] if yes else destroy.find_data(session.aws, left.stack)
    if data:
        session.view.warn(
            f'The stack "{left.stack.name}", whose first deploy failed, must be deleted first, with the'
            f" data in {', '.join(data)}."
        )
        _ask(session, "Check what they contain, then add --yes to delete them.")
    follow(
        session,
        # Deleting the stack is not enough if its rollback failed at the protected table.
        destroy.destroy(session.aws, left.stack),
        "Removing resources of an earlier deploy",
    )


def _show_plan(session: Session, planned: Plan) -> None:
    for row in _plan_rows(planned):
        session.view.step(COLUMNS, *row)


def _plan_rows(planned: Plan) -> Iterator[tuple[Cell, str, Cell, str]]:
    for key, (old, new) in _settings(planned).items():
        yield Cell("SETTING", "yellow"), key, Cell(""), _from_to(old, new)
    for change in planned.changes:
        action = Cell(change.action.upper(), _STYLES.get(change.action, "bold red"))
        yield action, change.name, Cell(change.type, "dim"), change.why


def _settings(planned: Plan) -> dict[str, tuple[str, str]]:
    """The settings that change. The zip's key is a parameter too, but shows in the function."""
    from labelctl.deploy.stack import SETTINGS

    return {key: pair for key, pair in planned.parameters.items() if key in SETTINGS}


def _from_to(old: str, new: str) -> str:
    return f"{old or 'none'} → {new or 'none'}"


def _confirm(session: Session, planned: Plan, yes: bool) -> None:
    """Ask before data is lost. Raises RefusedError for an answer other than yes."""
    from labelctl.deploy import change_sets

    lost = [change for change in planned.changes if change.loses_data]
    if yes or not lost:
        return
    session.view.warn(
        "The data in these resources would be deleted or abandoned: "
        + ", ".join(f"{change.name} ({change.action.lower()})" for change in lost)
    )
    try:
        _ask(session, "Review the plan, then add --yes to apply it.")
    except BaseException:
        change_sets.discard(session.aws.cloudformation, planned)
        raise


def _ask(session: Session, hint: str) -> None:
    """Raise RefusedError unless the user answers yes. `hint` is for a user who cannot be asked."""
    if session.view.ask("Continue? [y/N]", hint).lower() not in ("y", "yes"):
        raise RefusedError("The deploy was cancelled.", "Nothing was changed.")


def _plan_table(planned: Plan) -> Table:
    return Table(
        columns=COLUMNS,
        rows=list(_plan_rows(planned)),
        empty="No resource changes, only the stack's outputs, tags or parameters."
        if planned.change_set
        else "There is nothing to change.",
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
