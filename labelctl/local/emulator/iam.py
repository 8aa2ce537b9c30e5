"""Secrets and permissions of access keys, looked up in the emulator in the same process."""

from __future__ import annotations

from labelctl.local.credentials import Credentials
from labelctl.local.emulator.signature import Claim, Problem, RefusedError

_DEFAULT_ACCOUNT = "000000000000"


def secret_of(claim: Claim, root: Credentials) -> str:
    """The secret of the claim's access key: the data folder's key or one that the emulator issued.

    Raises RefusedError if the key does not exist, or the session token does not belong to it or has
    expired.
    """
    from ministack.core import iam_evaluator as iam

    key, token = claim.access_key, claim.token
    if key == root.access_key_id:
        if token:
            raise RefusedError(Problem.BAD_TOKEN)
        return root.secret_access_key
    if iam.is_root_access_key(key):  # the emulator's own root keys: `test`, account numbers
        raise RefusedError(Problem.UNKNOWN_KEY)
    found = iam.resolve_credential(key, _account_of(key), token)
    if isinstance(found, iam.CredentialResolutionError):
        problems = {
            "InvalidToken": Problem.BAD_TOKEN,
            "ExpiredTokenException": Problem.EXPIRED_TOKEN,
        }
        raise RefusedError(problems.get(found.code, Problem.UNKNOWN_KEY))
    return str(found.secret_access_key)


def is_worker(access_key: str) -> bool:
    """Whether this is the key of a Lambda function's worker, not of a client."""
    if not access_key.startswith("ASIA"):
        return False
    from ministack.services import sts

    session = sts._sessions.get(access_key)
    return session is not None and "Expiration" not in session


def may(access_key: str, action: str, resource: str) -> tuple[bool, str]:
    """Whether the policies of the key's principal allow the action; and the principal's ARN.

    The data folder's key may do anything, like the root user on AWS. An unknown key may do nothing; its
    ARN is "".
    """
    from ministack.core import iam_evaluator as iam
    from ministack.core.responses import get_region

    principal = iam.resolve_principal(access_key, _account_of(access_key))
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


def _account_of(access_key: str) -> str:
    from ministack.core.iam_evaluator import find_iam_access_key_account
    from ministack.core.responses import _account_from_sts_session

    session: str | None = _account_from_sts_session(access_key)
    return session or find_iam_access_key_account(access_key) or _DEFAULT_ACCOUNT
