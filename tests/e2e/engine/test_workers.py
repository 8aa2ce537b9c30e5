"""Lambda workers end with their stack, and like all child processes import nothing by accident."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest

from labelctl.local import engine, processes
from tests.e2e.engine.conftest import client, until
from tests.e2e.engine.test_processes import toy_model

TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": {
                        "Effect": "Allow",
                        "Principal": {"Service": "lambda.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    },
                }
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": "hello",
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            },
        },
    }
}


def answer(cloud: engine.Cloud, expression: str) -> Any:
    """What a function of a new stack answers: the value of a Python expression, there."""
    code = f"import sys\ndef handler(event, context):\n    return {expression}"
    template = copy.deepcopy(TEMPLATE)
    template["Resources"]["Function"]["Properties"]["Code"] = {"ZipFile": code}
    client(cloud, "cloudformation").create_stack(
        StackName="hello", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"]
    )
    functions = client(cloud, "lambda")
    until(lambda: functions.list_functions()["Functions"])
    return json.load(functions.invoke(FunctionName="hello")["Payload"])


def test_the_worker_of_a_destroyed_stack_ends_within_two_seconds(home: Path) -> None:
    cloud = engine.start(home=home)
    cloudformation, functions = client(cloud, "cloudformation"), client(cloud, "lambda")
    assert answer(cloud, "'hello'") == "hello"

    def workers() -> set[int]:
        return processes.ours(home) - {cloud.pid, cloud.recogniser_pid}

    [_] = workers()
    cloudformation.delete_stack(StackName="hello")
    until(lambda: not functions.list_functions()["Functions"])
    gone = time.monotonic()
    until(lambda: not workers(), seconds=30)
    assert time.monotonic() - gone < 5  # a second to notice it, and a slow machine


PLANTED = """
import os, pathlib
pathlib.Path(os.environ["HOME"], "imported").touch()
pathlib.Path(__file__).with_name("imported").touch()
raise SystemExit("planted code ran")
"""


@pytest.mark.parametrize("search_path", ["", ":", ".", ":planted"])
def test_no_process_imports_from_the_current_directory(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search_path: str
) -> None:
    """The user stands in a folder that they unpacked: a child that starts there must not run it."""
    model = toy_model(tmp_path / "toy.onnx")
    here = tmp_path / "unpacked"
    for folder in (here, here / "planted"):
        folder.mkdir()
        for name in ("labelctl", "numpy", "onnxruntime", "PIL", "ministack", "json"):
            (folder / f"{name}.py").write_text(PLANTED)
    monkeypatch.chdir(here)
    monkeypatch.setenv("PYTHONPATH", search_path)
    cloud = engine.start(home=home, model=model)  # a check of the model, and two servers
    assert cloud.model == str(model)
    paths = answer(cloud, "sys.path")
    own = Path(paths[0])
    assert own.name == "code"
    assert all(Path(path).is_absolute() for path in paths)
    assert not {str(here), str(here / "planted"), str(own.parent), str(home)} & set(paths[1:])
    assert not [*tmp_path.rglob("imported")]
