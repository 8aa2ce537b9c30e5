"""What `deploy` says about the quotas that limit how fast photos are labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelctl.cli.session import Session
from labelctl.errors import Command

if TYPE_CHECKING:
    from labelctl.deploy.change_sets import Plan
    from labelctl.deploy.quotas import Quotas


def explain(session: Session, planned: Plan, quotas: Quotas, concurrency: int) -> None:
    """Say what Rekognition's quota allows if that is new, and warn if Lambda's does not suffice."""
    from labelctl.deploy.stack import QUOTA

    calls, executions, needed = quotas.calls_per_second, quotas.executions, quotas.needed
    if executions is not None and concurrency > executions:
        session.view.warn(
            f"The function may run {concurrency:,} copies at once, but Lambda allows this account"
            f" {executions:,}.",
            'Request a higher quota of "Concurrent executions" in the Service Quotas console, or: ',
            Command("deploy", "--concurrency", str(max(executions, 2))),
        )
        return
    is_new = planned.creates or QUOTA in planned.parameters
    if calls is None or needed is None or not (is_new or session.options.verbose):
        return
    text = f"Rekognition allows {calls:,} calls per second here: "
    if needed <= concurrency:
        session.view.note(f"{text}up to {concurrency:,} batches at once.")
    elif executions is not None and needed > executions:
        session.view.warn(
            f"{text}{needed:,} batches at once, but Lambda allows this account {executions:,}.",
            'Request a higher quota of "Concurrent executions" in the Service Quotas console, then: ',
            Command("deploy", "--concurrency", str(needed)),
        )
    else:
        session.view.note(
            f"{text}{needed:,} batches at once, but the stack's limit is {concurrency:,}. Raise it: ",
            Command("deploy", "--concurrency", str(needed)),
        )
