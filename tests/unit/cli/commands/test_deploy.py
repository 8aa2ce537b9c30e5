"""The options of `labelctl deploy` that are checked before anything is deployed."""

from __future__ import annotations

import pytest

from labelctl.cli import app


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        (["blue"], "not of the form KEY=VALUE"),
        (["team=a\nb"], r"AWS does not allow the tag 'team=a\nb'."),
        (["te\x1bam=a"], r"AWS does not allow the tag 'te\x1bam=a'."),
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
