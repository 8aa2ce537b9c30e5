"""What commands say about a --prefix that no key has."""

from __future__ import annotations

from labelctl.cli.session import Session


def similar_prefix(session: Session, prefix: str) -> str:
    """The question whether the user means a similar prefix; empty if there is none."""
    from labelctl.photos import suggestions

    found = suggestions.similar_prefixes(session.aws.s3, session.stack.bucket, prefix)
    return suggestions.question(found, prefix)


def note_similar_prefix(session: Session, prefix: str) -> None:
    """Print that question, if there is a similar prefix."""
    if prefix and (question := similar_prefix(session, prefix)):
        session.view.note(question)
