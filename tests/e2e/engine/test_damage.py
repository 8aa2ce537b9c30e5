"""Damaged files and occupied ports: the local cloud is repaired, or reports what is lost."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labelctl.errors import LocalCloudError
from labelctl.local import engine, processes
from tests.e2e.engine.conftest import choose_model, client, end_all, kill_engine, until
from tests.e2e.engine.small_pipeline import make_pipeline


@pytest.fixture
def home(light_home: Path) -> Path:
    """These tests need no labels."""
    return light_home


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, toy_model: Path) -> Iterator[Path]:
    """The data folder of a stopped cloud with a pipeline: to be copied."""
    home = tmp_path_factory.mktemp("saved") / "cloud"
    choose_model(home, toy_model)
    make_pipeline(engine.start(home=home), pause="0")
    engine.stop(home)
    yield home
    end_all(home)


@pytest.fixture
def pipeline(saved: Path, tmp_path: Path) -> Iterator[Path]:
    """The data folder of a stopped cloud with a pipeline."""
    home = tmp_path / "pipeline"
    shutil.copytree(saved, home)
    yield home
    end_all(home)


@contextmanager
def other_program_on(endpoint: str) -> Iterator[int]:
    """Another program that listens on the local cloud's port."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = int(endpoint.rpartition(":")[2])
        other.bind(("127.0.0.1", port))
        other.listen()
        yield port


def works(cloud: engine.Cloud, key: str) -> None:
    """Upload a photo and wait until it is labelled."""
    client(cloud, "s3").put_object(Bucket="photos", Key=key, Body=b"x")
    wanted = {"image": {"S": key}, "label": {"N": "2"}}
    rows = client(cloud, "dynamodb")
    until(lambda: rows.get_item(TableName="labels", Key=wanted).get("Item"), 30)


def test_everything_works_on_other_ports(pipeline: Path) -> None:
    home = pipeline
    cloud = engine.start(home=home)
    url = client(cloud, "sqs").get_queue_url(QueueName="work")["QueueUrl"]
    stacks = client(cloud, "cloudformation")
    template = "Resources: {Queue: {Type: 'AWS::SQS::Queue'}}\nOutputs: {Url: {Value: !Ref Queue}}"
    stacks.create_stack(StackName="other", TemplateBody=template)
    mine = client(cloud, "sqs").create_queue(QueueName="mine")["QueueUrl"]
    client(cloud, "sqs").send_message(QueueUrl=mine, MessageBody=f"see {url}")
    engine.stop(home)
    with other_program_on(cloud.endpoint) as port:
        moved = engine.start(home=home)
        assert moved.endpoint != cloud.endpoint
        assert str(port) in moved.notice
        assert moved.endpoint in moved.notice
        mine = mine.replace(cloud.endpoint, moved.endpoint)
        (message,) = client(moved, "sqs").receive_message(QueueUrl=mine)["Messages"]
        assert message["Body"] == f"see {url}"  # user data is not changed
        kill_engine(moved)
        again = engine.start(home=home)  # all of the saved state has the new address
        assert (again.endpoint, again.notice) == (moved.endpoint, "")
        described = client(again, "cloudformation").describe_stacks(StackName="other")
        output = described["Stacks"][0]["Outputs"][0]["OutputValue"]
        assert output in all_queues(again)
        assert all(url.startswith(again.endpoint) for url in all_queues(again))
    os.kill(again.recogniser_pid, signal.SIGKILL)
    until(lambda: not processes.alive(again.recogniser_pid))
    with other_program_on(again.recogniser) as port:
        last = engine.start(home=home)
    assert str(port) in last.notice
    assert last.recogniser != again.recogniser
    # The engine passes the recogniser's address to its functions.
    assert last.pid != again.pid
    assert processes.find_processes(home) >= {last.pid, last.recogniser_pid}
    assert not processes.alive(again.pid)
    works(last, "a.jpg")


def all_queues(cloud: engine.Cloud) -> list[str]:
    return list(client(cloud, "sqs").list_queues()["QueueUrls"])


def test_a_lost_record_only_loses_the_ports(pipeline: Path, tmp_path: Path) -> None:
    home, link = pipeline, tmp_path / "link"
    link.symlink_to(home)
    cloud = engine.start(home=home)
    record = home / "engine.json"
    for folder, content in ((link, None), (home, '{"port": "a string", "pid": -1}')):
        record.unlink() if content is None else record.write_text(content)
        healed = engine.start(home=folder)  # while the old engine, now unknown, is still running
        assert "engine.json" in healed.notice
        assert processes.find_processes(home) >= {healed.pid, healed.recogniser_pid}
        assert not processes.alive(cloud.pid)
        assert not processes.alive(cloud.recogniser_pid)
        cloud = healed
    works(cloud, "a.jpg")
    assert engine.start(home=home).notice == ""

    record.unlink()
    (home / ".labelctl-local").unlink()
    client(cloud, "sqs").create_queue(QueueName="kept")
    assert engine.stop(home) is not None
    assert processes.find_processes(home) == set()
    names = [url.rpartition("/")[2] for url in all_queues(engine.start(home=home))]
    assert sorted(names) == ["kept", "work"]


def test_damaged_code_is_restored_from_the_deployment_bucket(pipeline: Path) -> None:
    (blob,) = (pipeline / "state/lambda-blobs").glob("*.zip")
    good = blob.read_bytes()
    s3 = client(engine.start(home=pipeline), "s3")
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key="code/function.zip", Body=good)
    engine.stop(pipeline)
    blob.write_bytes(good[:100])
    cloud = engine.start(home=pipeline)
    assert cloud.notice == ""
    assert blob.read_bytes() == good
    works(cloud, "a.jpg")


def test_lost_code_photos_and_notifications_are_reported_with_hints(pipeline: Path) -> None:
    shutil.rmtree(pipeline / "objects")
    for blob in (pipeline / "state/lambda-blobs").glob("*.zip"):
        blob.unlink()
    (pipeline / "state/journal").mkdir(exist_ok=True)
    (pipeline / "state/journal/99999999.jsonl").write_text('{"acc\n[]\n{"account": "0"}\n')
    notice = engine.start(home=pipeline).notice
    assert "labelctl deploy --local" in notice
    assert "labelctl verify --repair --local" in notice
    assert f"folder {pipeline / 'objects'} is missing" in notice
    shutil.rmtree(pipeline / "objects")
    running = engine.status(pipeline)
    assert running
    assert f"folder {pipeline / 'objects'} is missing" in running.notice


def test_a_paused_process_is_reported_at_once_and_can_be_ended(home: Path) -> None:
    cloud = engine.start(home=home)
    client(cloud, "sqs").create_queue(QueueName="kept")
    for name, pid in (("recogniser", cloud.recogniser_pid), ("engine", cloud.pid)):
        os.kill(pid, signal.SIGSTOP)
        until(lambda pid=pid: processes.paused(pid))  # type: ignore[misc]
        started = time.monotonic()
        for call in (engine.status, lambda home: engine.start(home=home)):
            with pytest.raises(LocalCloudError, match=f"{name} .* is paused") as failure:
                call(home)
            assert f"kill -CONT {pid}" in failure.value.hint
        assert time.monotonic() - started < 5
        os.kill(pid, signal.SIGCONT)
        assert engine.status(home) == cloud
    for pid in (cloud.recogniser_pid, cloud.pid):
        os.kill(pid, signal.SIGSTOP)
    assert engine.stop(home) is not None
    assert processes.find_processes(home) == set()
    assert len(all_queues(engine.start(home=home))) == 1
