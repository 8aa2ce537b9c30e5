"""docs/aws.md describes what the template deploys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.fakes.template import read_template

TEXT = (Path(__file__).parents[3] / "docs" / "aws.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The names in backquotes in each cell of the first table under a heading."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [re.findall("`([^`]+)`", line) for line in lines]


def resources_of(kind: str) -> dict[str, Any]:
    found = read_template()["Resources"]
    return {name: each for name, each in found.items() if each["Type"] == kind}


def test_the_permissions_are_those_of_the_role():
    [role] = resources_of("AWS::IAM::Role").values()
    [policy] = role["Properties"]["Policies"]
    allowed = [
        [statement["Sid"], *(actions if isinstance(actions, list) else [actions])]
        for statement in policy["PolicyDocument"]["Statement"]
        for actions in [statement["Action"]]
    ]
    assert rows("Permissions") == allowed


def test_every_alarm_is_described():
    described = [names[0] for names in rows("Alarms")]
    assert sorted(described) == sorted(resources_of("AWS::CloudWatch::Alarm"))
