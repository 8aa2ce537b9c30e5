"""What `labelctl deploy` checks and asks before it changes anything."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from labelctl.cli import app
from labelctl.cli.commands import _quotas
from labelctl.cli.commands import deploy as command
from labelctl.cli.output import View
from labelctl.deploy import change_sets, destroy
from labelctl.deploy.change_sets import Plan
from labelctl.deploy.deploy import FailedFirstDeploy
from labelctl.deploy.quotas import Quotas
from labelctl.errors import UsageError

# ---- options


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        (["blue"], "not of the form KEY=VALUE"),
        (["team=a\nb"], r"AWS does not allow the tag 'team=a\nb'."),
        (["tag\x1bs=a"], r"AWS does not allow the tag 'tag\x1bs=a'."),
        (["team=a;b"], "AWS does not allow"),
        (["aws:team=a"], "AWS does not allow"),
        (["k" * 129 + "=a"], "AWS does not allow"),
        (["team=" + "v" * 257], "AWS does not allow"),
        (["Team=a", "team=b"], 'The tag keys "Team" and "team" differ only in case'),
    ],
)
def test_tags_that_aws_would_reject_are_refused(tags, words, capsys):
    assert app.run(["deploy", "-o", "plain", *(f"--tag={tag}" for tag in tags)]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_other_tags_are_accepted():
    from labelctl.cli.commands._option_values import tags

    texts = ["Application=é 1", "url=https://a.example/b?c".replace("?", "="), "team=a", "team=b"]
    assert tags(texts) == {
        "Application": "é 1",
        "url": "https://a.example/b=c",
        "team": "b",
    }


# ---- questions


@pytest.fixture
def session():
    """A session without a terminal, so that every question is refused."""
    view = View("plain", stdout=io.StringIO(), stderr=io.StringIO())
    return SimpleNamespace(view=view, aws=SimpleNamespace(cloudformation=None))


@pytest.fixture
def deleted(monkeypatch):
    """The stacks and change sets that the command deletes."""
    names = []
    monkeypatch.setattr(destroy, "destroy", lambda _, stack: iter(names.append(stack.name) or ()))
    monkeypatch.setattr(change_sets, "discard", lambda _, planned: names.append(planned.change_set))
    return names


LEFT = FailedFirstDeploy(SimpleNamespace(name="labelctl"), None)


@pytest.mark.parametrize("data", [["photos-1", "labels-1"], []])
def test_failed_first_deploy_with_data_is_not_deleted_without_a_question(
    session, deleted, monkeypatch, data
):
    monkeypatch.setattr(destroy, "find_data", lambda *_: data)
    if data:
        with pytest.raises(UsageError, match="needs a confirmation"):
            command._clean_up(session, LEFT, yes=False)
        assert "photos-1, labels-1" in session.view._err.getvalue()
    else:
        command._clean_up(session, LEFT, yes=False)
    assert deleted == ([] if data else ["labelctl"])


@pytest.mark.parametrize(
    ("type", "action", "asks"),
    [
        ("AWS::S3::Bucket", "Remove", True),
        ("AWS::DynamoDB::Table", "May replace", True),
        ("AWS::SQS::Queue", "Replace", True),
        ("AWS::S3::Bucket", "Modify", False),
        ("AWS::Lambda::Function", "Replace", False),
    ],
)
def test_change_of_any_stack_that_loses_data_is_discarded_without_an_answer(
    session, deleted, type, action, asks
):
    changes = [change_sets.Change(action, "Thing", type, "")]
    planned = change_sets.Plan("labelctl-artifacts", "arn", "arn:change-set/1", False, changes)
    command._confirm(session, planned, yes=True)
    if asks:
        with pytest.raises(UsageError, match="needs a confirmation"):
            command._confirm(session, planned, yes=False)
    else:
        command._confirm(session, planned, yes=False)
    assert deleted == (["arn:change-set/1"] if asks else [])


# ---- quotas


NEW = Plan("labelctl", "id", "change-set", True, ())
RAISED = Plan("labelctl", "id", "change-set", False, (), {"CallsPerSecond": ("50", "500")})
SAME = Plan("labelctl", "id", None, False, ())


@pytest.mark.parametrize(
    ("planned", "quotas", "concurrency", "text"),
    [
        (NEW, Quotas(50, 1000), 4, "allows 50 calls per second here: up to 4 batches at once."),
        (RAISED, Quotas(500, 1000), 4, "40 batches at once, but the stack's limit is 4. Raise it:"),
        (NEW, Quotas(500, 10), 10, "40 batches at once, but Lambda allows this account 10."),
        (
            SAME,
            Quotas(500, 10),
            20,
            "may run 20 copies at once, but Lambda allows this account 10.",
        ),
        (NEW, Quotas(), 4, ""),
        (SAME, Quotas(500, 1000), 4, ""),
    ],
)
def test_choice_is_explained_when_it_is_new_and_limits_are_reported(
    session, planned, quotas, concurrency, text
):
    session.options = SimpleNamespace(verbose=False)
    _quotas.explain(session, planned, quotas, concurrency)
    said = " ".join(session.view._err.getvalue().split())
    assert text in said
    assert bool(said) == bool(text)


def test_verbose_deploy_always_explains_the_choice(session):
    session.options = SimpleNamespace(verbose=True)
    _quotas.explain(session, SAME, Quotas(50), 4)
    assert "up to 4 batches at once" in session.view._err.getvalue()
