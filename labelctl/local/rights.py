"""Who may do what in the emulator, asked of its own IAM evaluator; inside its process only."""

from __future__ import annotations

_DEFAULT_ACCOUNT = "000000000000"


def is_worker(access_key: str) -> bool:
    """Whether this is the key of a running Lambda function rather than of a client."""
    if not access_key.startswith("ASIA"):
        return False
    from ministack.services import sts

    session = sts._sessions.get(access_key)
    return session is not None and "Expiration" not in session


def may(access_key: str, action: str, resource: str) -> tuple[bool, str]:
    """Whether the key's principal may do this, by its policies; and that principal's ARN.

    Root keys (`test`, 12-digit account numbers) may do anything, as in AWS. An unknown key may do
    nothing and has no ARN ("").
    """
    from ministack.core import iam_evaluator as iam
    from ministack.core.responses import get_region

    account = iam.find_iam_access_key_account(access_key) or (
        access_key if access_key.isdigit() and len(access_key) == 12 else _DEFAULT_ACCOUNT
    )
    principal = iam.resolve_principal(access_key, account)
    if isinstance(principal, iam.AuthError):
        return False, ""
    if principal.policies is None:
        return bool(access_key), principal.arn
    context = iam.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        principal_keys=principal.keys,
    )
    verdict = iam.evaluate(context, principal.policies, *principal.limits)
    return verdict.decision == "Allow", principal.arn
