"""cloudformation/template.yaml as Python values."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import yaml

from labelctl.deploy import assets


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML with CloudFormation's short forms, which become the long ones: `!Ref X` → {Ref: X}."""


def _intrinsic(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.SequenceNode):
        value: Any = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_scalar(node)
    return {name if name == "Ref" else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def read_template() -> dict[str, Any]:
    """cloudformation/template.yaml, to be changed at will."""
    return deepcopy(_read_template())


@cache  # reading it takes longer than most tests
def _read_template() -> dict[str, Any]:
    read: dict[str, Any] = yaml.load(assets.template("template.yaml"), _Loader)
    return read


def function_environment(resources: Mapping[str, str]) -> dict[str, str]:
    """The function's variables: the parameters' defaults, and the resources' names or addresses."""
    template = read_template()
    variables = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    defaults = {name: each.get("Default") for name, each in template["Parameters"].items()}
    return {name: str({**defaults, **resources}[value["Ref"]]) for name, value in variables.items()}


def table_properties(resource: str) -> dict[str, Any]:
    """The properties of a table in the template, such as "PhotosTable"."""
    properties: dict[str, Any] = read_template()["Resources"][resource]["Properties"]
    return properties
