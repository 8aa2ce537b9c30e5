"""The local cloud's processes: started once, isolated, and replaced if they end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelctl.errors import LocalCloudError
from labelctl.local import engine, folder, processes
from tests.e2e.engine.conftest import choose_model, client, end_all, killed_and_started, until
from tests.e2e.engine.toy_model import write_toy_model


def status_of(url: str, method: str = "GET", **headers: str) -> int:
    request = urllib.request.Request(
        url, method=method, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_a_start_is_idempotent_and_replaces_only_what_is_dead(light_home: Path) -> None:
    home = light_home
    assert engine.status(home) is None
    cloud = engine.start(home=home)
    assert engine.start(home=home) == cloud == engine.status(home)
    assert (home.stat().st_mode & 0o777) == 0o700

    os.kill(cloud.recogniser_pid, signal.SIGKILL)
    until(lambda: not processes.alive(cloud.recogniser_pid))
    assert engine.status(home) is None
    repaired = engine.start(home=home)
    assert repaired.pid == cloud.pid
    assert repaired.recogniser_pid != cloud.recogniser_pid

    stopped = engine.stop(home)
    assert stopped is not None
    assert (stopped.pid, stopped.endpoint) == (cloud.pid, cloud.endpoint)
    assert engine.status(home) is None
    assert processes.find_processes(home) == set()
    assert engine.stop(home) is None
    started = engine.start(home=home)
    assert (started.endpoint, started.recogniser) == (cloud.endpoint, cloud.recogniser)
    assert started.pid != cloud.pid
    again = killed_and_started(started)
    assert again.pid != started.pid
    assert again.recogniser_pid == started.recogniser_pid


def test_after_a_killed_command_several_at_once_share_one_engine(light_home: Path) -> None:
    home = light_home
    program = "import sys, pathlib; from labelctl.local import engine;"
    program += "print(engine.start(home=pathlib.Path(sys.argv[1])).pid)"
    command = [sys.executable, "-c", program, str(home)]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until(lambda: processes.find_processes(home))
    killed.kill()
    killed.wait()
    several = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    pids = {each.communicate(timeout=90)[0] for each in several}
    assert len(pids) == 1
    cloud = engine.status(home)
    assert cloud is not None
    assert processes.find_processes(home) == {cloud.pid, cloud.recogniser_pid}


def test_ctrl_c_during_the_start_leaves_nothing_running(light_home: Path) -> None:
    home = light_home
    program = "import sys, pathlib; from labelctl.local import engine;"
    program += "engine._engine_answers = lambda *_: False;"
    program += "engine.start(home=pathlib.Path(sys.argv[1]))"
    command = subprocess.Popen(
        [sys.executable, "-c", program, str(home)], stderr=subprocess.DEVNULL
    )
    until(lambda: len(processes.find_processes(home)) == 2)
    command.send_signal(signal.SIGINT)
    command.wait(timeout=30)
    assert processes.find_processes(home) == set()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, toy_model: Path) -> Iterator[engine.Cloud]:
    """A cloud that was started in an environment with secrets: for tests that change nothing."""
    home = tmp_path_factory.mktemp("running") / "cloud"
    choose_model(home, toy_model)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_SECRET_ACCESS_KEY", "the-users-secret")
        environment.setenv("AWS_PROFILE", "the-users-profile")
        environment.setenv("GITHUB_TOKEN", "the-users-token")
        cloud = engine.start(home=home)
    yield cloud
    end_all(home)


@pytest.mark.skipif(not shutil.which("ss"), reason="needs ss")
def test_listens_on_loopback_only(running: engine.Cloud) -> None:
    client(running, "s3").list_buckets()
    listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True)
    addresses = {
        line.split()[3]
        for line in listening.stdout.splitlines()
        if any(f"pid={pid}," in line for pid in processes.find_processes(running.home))
    }
    assert addresses == {
        running.endpoint.removeprefix("http://"),
        running.recogniser.removeprefix("http://"),
    }


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_the_users_credentials_are_not_passed_to_the_processes(running: engine.Cloud) -> None:
    for pid in (running.pid, running.recogniser_pid):
        handed = Path(f"/proc/{pid}/environ").read_text()
        assert "the-users" not in handed
        assert f"AWS_SECRET_ACCESS_KEY={running.credentials.secret_access_key}\0" in handed


def test_the_admin_interface_is_closed(running: engine.Cloud) -> None:
    assert status_of(f"{running.endpoint}/_ministack/reset", "POST") == 403
    assert status_of(f"{running.endpoint}/%5Fministack/reset", "POST") == 403
    assert status_of(f"{running.endpoint}/_localstack/health") == 403
    assert status_of(f"{running.endpoint}/_labelctl/nothing") == 403
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    key = {"Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert status_of(f"{running.endpoint}/_aws/execute-api/a/b", **upgrade, **key) == 403


def test_policies_are_enforced(running: engine.Cloud) -> None:
    from botocore.exceptions import ClientError

    people = client(running, "iam")
    people.create_user(UserName="ann")
    key = people.create_access_key(UserName="ann")["AccessKey"]
    rights = {
        "Statement": [{"Effect": "Allow", "Action": "rekognition:DetectLabels", "Resource": "*"}]
    }
    people.put_user_policy(UserName="ann", PolicyName="look", PolicyDocument=json.dumps(rights))
    keys = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    with pytest.raises(ClientError, match="AccessDenied"):
        client(running, "s3", **keys).list_buckets()
    # The permission is granted, so the request fails only because of the picture.
    picture = {"Bytes": b"no picture"}
    with pytest.raises(ClientError, match="InvalidImageFormat"):
        client(running, "rekognition", **keys).detect_labels(Image=picture)
    people.delete_user_policy(UserName="ann", PolicyName="look")
    with pytest.raises(ClientError, match="user/ann is not authorized to perform: rekognition"):
        client(running, "rekognition", **keys).detect_labels(Image=picture)


def test_a_failed_start_ends_even_a_process_it_has_just_started(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has just been started may not show its environment yet."""

    def fail(home: Path, record: object) -> None:
        raise LocalCloudError("The recogniser cannot be started.")

    with monkeypatch.context() as moment:
        moment.setattr(processes, "find_processes", lambda home: set())
        moment.setattr(engine, "_spawn_recogniser", fail)
        with pytest.raises(LocalCloudError, match="cannot be started"):
            engine.start(home=home)
    assert processes.find_processes(home) == set()


def test_a_model_restarts_only_the_recogniser_and_can_be_removed(
    home: Path, tmp_path: Path
) -> None:
    cloud = engine.start(home=home)
    model, broken = write_toy_model(tmp_path / "toy.onnx"), tmp_path / "broken.onnx"
    broken.write_text("not a model")
    with pytest.raises(LocalCloudError, match="is not an ONNX model"):
        engine.start(home=home, model=broken)
    assert engine.status(home) == cloud
    assert saved_model(home) is None  # for later starts, too

    with_model = engine.start(home=home, model=model)
    assert (with_model.pid, with_model.recogniser) == (cloud.pid, cloud.recogniser)
    assert with_model.recogniser_pid != cloud.recogniser_pid
    assert with_model.model == str(model)
    assert with_model.model_version != cloud.model_version
    assert engine.start(home=home) == with_model
    assert saved_model(home) == str(model)  # for later starts, too

    engine.stop(home)
    model.write_text("not a model any more")
    with pytest.raises(LocalCloudError, match="recogniser ended during startup") as failure:
        engine.start(home=home)
    assert "is not an ONNX model" in failure.value.hint
    assert "--no-model" in failure.value.hint
    assert processes.find_processes(home) == set()
    assert engine.start(home=home, forget_model=True).model is None


def saved_model(home: Path) -> str | None:
    record = folder.read(home)
    assert record is not None
    return record.model
