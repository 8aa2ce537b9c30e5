"""Lambda workers end with their stack; no process imports code from the current directory."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest

from labelctl.local import engine, processes
from tests.e2e.engine.conftest import client, until

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


def evaluate(cloud: engine.Cloud, expression: str) -> Any:
    """The value of a Python expression, evaluated in the function of a new stack."""
    code = f"import sys\ndef handler(event, context):\n    return {expression}"
    template = copy.deepcopy(TEMPLATE)
    template["Resources"]["Function"]["Properties"]["Code"] = {"ZipFile": code}
    client(cloud, "cloudformation").create_stack(
        StackName="hello", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"]
    )
    functions = client(cloud, "lambda")
    until(lambda: functions.list_functions()["Functions"])
    return json.load(functions.invoke(FunctionName="hello")["Payload"])


def test_the_worker_of_a_destroyed_stack_ends_within_two_seconds(light_home: Path) -> None:
    home = light_home
    cloud = engine.start(home=home)
    cloudformation, functions = client(cloud, "cloudformation"), client(cloud, "lambda")
    assert evaluate(cloud, "'hello'") == "hello"

    def workers() -> set[int]:
        return processes.find_processes(home) - {cloud.pid, cloud.recogniser_pid}

    [_] = workers()
    cloudformation.delete_stack(StackName="hello")
    until(lambda: not functions.list_functions()["Functions"])
    deleted = time.monotonic()
    until(lambda: not workers(), seconds=30)
    assert time.monotonic() - deleted < 5  # checked every second; allow for slow machines


PLANTED = """
import os, pathlib
pathlib.Path(os.environ["HOME"], "imported").touch()
pathlib.Path(__file__).with_name("imported").touch()
raise SystemExit("planted code ran")
"""


def test_no_process_imports_from_the_current_directory(
    home: Path,
    toy_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a folder with untrusted files, labelctl's processes must not import them."""
    untrusted = tmp_path / "unpacked"
    for folder in (untrusted, untrusted / "planted"):
        folder.mkdir()
        for name in ("labelctl", "numpy", "onnxruntime", "PIL", "ministack", "json"):
            (folder / f"{name}.py").write_text(PLANTED)
    monkeypatch.chdir(untrusted)
    monkeypatch.setenv("PYTHONPATH", ".::planted")
    cloud = engine.start(home=home, model=toy_model)  # starts a model check and two servers
    assert cloud.model == str(toy_model)
    paths = evaluate(cloud, "sys.path")
    own = Path(paths[0])
    assert own.name == "code"
    assert all(Path(path).is_absolute() for path in paths)
    assert not {str(untrusted), str(untrusted / "planted"), str(own.parent), str(home)} & set(
        paths[1:]
    )
    assert not [*tmp_path.rglob("imported")]
