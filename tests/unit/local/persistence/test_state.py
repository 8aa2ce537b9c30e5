"""What is saved of the local cloud: whole generations, a journal, and one save for many changes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from labelctl.errors import LocalCloudError
from labelctl.local.persistence import group_commit
from labelctl.local.persistence.group_commit import GroupCommit
from labelctl.local.persistence.journal import Journal
from labelctl.local.persistence.snapshots import Generations


@pytest.fixture
def generations(tmp_path: Path) -> Generations:
    return Generations(tmp_path / "state")


def test_nothing_saved_is_a_fresh_start(generations: Generations) -> None:
    assert generations.choose() == (None, "")


def test_unchanged_files_come_along_and_two_generations_stay(generations: Generations) -> None:
    large = b"x" * 300_000
    assert generations.write({"sqs.json": b"1", "dynamodb.json": large})
    assert generations.write({"sqs.json": b"2"})
    assert generations.write({"sqs.json": b"3"})
    assert not generations.write({"sqs.json": b"3"})
    chosen, notice = generations.choose()
    assert chosen is not None
    assert (chosen.name, notice) == ("000003", "")
    assert (chosen / "sqs.json").read_bytes() == b"3"
    assert (chosen / "dynamodb.json").read_bytes() == large
    kept = {path.name for path in generations.folder.iterdir()}
    assert kept == {"000002", "000003", "current"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda newest: (newest / "sqs.json").write_bytes(b"{"),
        lambda newest: (newest / "sqs.json").unlink(),
        lambda newest: (newest / "manifest.json").write_bytes(b""),
        lambda newest: (newest / "manifest.json").write_bytes(b"[]"),
        lambda newest: (newest / "iam.json").write_bytes(b""),  # the same in both generations
    ],
)
def test_a_damaged_newest_generation_is_kept_aside(
    generations: Generations, damage: object
) -> None:
    generations.write({"sqs.json": b"1", "iam.json": b"same"})
    generations.write({"sqs.json": b"2"})
    damage(generations.folder / "000002")  # type: ignore[operator]
    chosen, notice = generations.choose()
    assert chosen == generations.folder / "000001"
    assert "damaged-" in notice
    assert (generations.folder / "current").resolve() == chosen.resolve()
    assert len(list(generations.folder.glob("damaged-*"))) == 1
    assert generations.choose() == (chosen, "")
    generations.write({"sqs.json": b"3"})
    assert (generations.folder / "current/sqs.json").read_bytes() == b"3"


@pytest.mark.parametrize(
    "damage",
    [
        lambda current: None,
        lambda current: current.write_bytes(b""),
        lambda current: current.symlink_to("../elsewhere"),
        lambda current: current.mkdir(),
    ],
    ids=["gone", "file", "garbled", "folder"],
)
def test_a_lost_link_is_mended(generations: Generations, damage: object) -> None:
    generations.write({"sqs.json": b"1"})
    (generations.folder / "current").unlink()
    damage(generations.folder / "current")  # type: ignore[operator]
    assert generations.choose() == (generations.folder / "000001", "")
    assert (generations.folder / "current/sqs.json").read_bytes() == b"1"


def test_a_newest_generation_that_is_gone_is_named(generations: Generations) -> None:
    generations.write({"sqs.json": b"1"})
    generations.write({"sqs.json": b"2"})
    shutil.rmtree(generations.folder / "000002")
    chosen, notice = generations.choose()
    assert chosen == generations.folder / "000001"
    assert "went back" in notice
    assert "kept" not in notice


def test_when_none_is_whole_nothing_is_touched(generations: Generations) -> None:
    generations.write({"sqs.json": b"1"})
    generations.write({"sqs.json": b"2"})
    for path in generations.folder.glob("0*/sqs.json"):
        path.write_bytes(b"")
    before = sorted(generations.folder.rglob("*"))
    with pytest.raises(LocalCloudError, match="damaged") as failure:
        generations.choose()
    assert str(generations.folder) in failure.value.message
    assert "labelctl local reset" in failure.value.hint
    assert sorted(generations.folder.rglob("*")) == before


def test_being_killed_while_writing_leaves_the_older_one(
    generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    generations.write({"sqs.json": b"1"})

    def killed(self: Generations, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Generations, "_flip", killed)
        with pytest.raises(KeyboardInterrupt):
            generations.write({"sqs.json": b"2"})
    chosen, notice = generations.choose()
    assert (chosen, notice) == (generations.folder / "000001", "")
    generations.write({"sqs.json": b"3"})
    assert (generations.folder / "current/sqs.json").read_bytes() == b"3"


def test_lambda_code_stays_as_long_as_a_kept_generation_needs_it(
    generations: Generations,
) -> None:
    old, new = "a" * 64, "b" * 64
    generations.blobs.mkdir(parents=True)
    for name in (old, new):
        (generations.blobs / f"{name}.zip").write_bytes(b"code")

    def save(name: str, n: int) -> set[str]:
        text = json.dumps({"n": n, "code_zip": {"code_blob_ref": name}})
        generations.write({"lambda.json": text.encode()})
        generations.prune_blobs()
        return {path.stem for path in generations.blobs.iterdir()}

    generations.write({"lambda.json": json.dumps({"code_blob_ref": old}).encode()})
    assert save(new, 1) == {old, new}
    assert save(new, 2) == {new}


def test_the_journal_tells_what_came_after_a_snapshot(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    delivered, on_its_way = journal.begin({"n": 1}), journal.begin({"n": 2})
    journal.end(delivered)
    covered = journal.rotate()
    journal.end(on_its_way)
    journal.begin({"n": 3})
    journal.close()
    assert Journal(tmp_path).since(covered) == [{"n": 2}, {"n": 3}]
    assert Journal(tmp_path).since(0) == [{"n": 1}, {"n": 2}, {"n": 2}, {"n": 3}]
    journal.forget(covered)
    assert Journal(tmp_path).since(0) == [{"n": 2}, {"n": 3}]
    assert journal.since(journal.rotate()) == [{"n": 3}]  # not delivered yet
    journal.close()


def test_a_torn_line_of_the_journal_was_never_promised(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin({"n": 1})
    journal.begin({"n": 2})
    journal.close()
    (written,) = tmp_path.iterdir()
    os.truncate(written, written.stat().st_size - 3)
    later = Journal(tmp_path)
    later.begin({"n": 3})
    later.close()
    assert Journal(tmp_path).since(0) == [{"n": 1}, {"n": 3}]


def test_a_damaged_line_of_the_journal_costs_that_line_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in (1, 2, 3):
        journal.begin({"n": number})
    journal.close()
    assert not journal.is_damaged()
    (written,) = tmp_path.iterdir()
    written.write_bytes(written.read_bytes().replace(b'"n": 2', b'"n\xff: 2'))
    (tmp_path / "notes.jsonl").write_text("not ours\n")
    later = Journal(tmp_path)
    assert later.is_damaged()
    assert later.since(0) == [{"n": 1}, {"n": 3}]


class Disk:
    """Counts what is saved; `value` is what there is to save."""

    def __init__(self) -> None:
        self.value = 0
        self.saved: list[tuple[int, bool]] = []
        self.fails = False

    def capture(self, everything: bool) -> Mapping[str, bytes]:
        return {"value": b"%d" % self.value, "everything": b"%d" % everything}

    def write(self, captured: Mapping[str, bytes]) -> None:
        if self.fails:
            raise OSError("disk full")
        self.saved.append((int(captured["value"]), captured["everything"] == b"1"))


async def commits(disk: Disk, count: int) -> GroupCommit:
    group = GroupCommit(disk.capture, disk.write)
    saving = asyncio.create_task(group.run())

    async def change() -> None:
        disk.value += 1
        mine = disk.value
        await group.commit(rest=False)
        assert disk.saved[-1][0] >= mine

    try:
        await asyncio.gather(*(change() for _ in range(count)))
    finally:
        saving.cancel()
    return group


def test_many_changes_share_a_save_and_each_is_in_it() -> None:
    disk = Disk()
    group = asyncio.run(commits(disk, 50))
    assert len(disk.saved) <= 2
    assert not group.unsaved


def test_what_cannot_be_saved_is_not_promised() -> None:
    disk = Disk()
    disk.fails = True
    with pytest.raises(OSError, match="disk full"):
        asyncio.run(commits(disk, 1))


def test_changes_that_nobody_waits_for_are_saved_soon_and_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_commit, "QUICKEST", 0.05)
    disk = Disk()

    async def work() -> float:
        loop = asyncio.get_running_loop()
        group = GroupCommit(disk.capture, disk.write)
        saving = asyncio.create_task(group.run())
        started = loop.time()
        for disk.value in range(1, 10_000):
            group.mark()
            await asyncio.sleep(0.001)
            if len(disk.saved) == 3:
                break
        saving.cancel()
        return loop.time() - started

    took = asyncio.run(work())
    assert len(disk.saved) == 3
    assert took >= 0.1  # at once, then at that distance
    assert disk.saved[0][1] is True  # the first has everything, such as the logs
    assert disk.saved[1][1] is False  # which then wait


LIVE_STATE = """
import asyncio, json, ministack.app as app
from ministack.core.persistence import _json_default, _json_object_hook
from ministack.services import cloudformation, cloudwatch_logs, dynamodb, lambda_svc, s3, sqs
from labelctl.local.emulator import hooks
from labelctl.local.persistence import state

def call(service, target, **body):
    headers = {"x-amz-target": target, "content-type": "application/x-amz-json-1.0"}
    work = service.handle_request("POST", "/", headers, json.dumps(body).encode(), {})
    status, _, answer = asyncio.run(work)
    assert status == 200, answer

call(sqs, "AmazonSQS.CreateQueue", QueueName="work")
url = "http://localhost:4566/000000000000/work"
call(sqs, "AmazonSQS.SendMessage", QueueUrl=url, MessageBody='a "b" \\u2028')
call(cloudwatch_logs, "Logs_20140328.CreateLogGroup", logGroupName="group")
keys = [{"AttributeName": "k", "KeyType": "HASH"}]
types = [{"AttributeName": "k", "AttributeType": "S"}]
call(dynamodb, "DynamoDB_20120810.CreateTable", TableName="with", KeySchema=keys,
     AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST")
call(dynamodb, "DynamoDB_20120810.CreateTable", TableName="none", KeySchema=keys,
     AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST")
call(cloudformation, "CloudFormation_20100515.CreateChangeSet", StackName="stack",
     ChangeSetName="first", ChangeSetType="CREATE",
     TemplateBody='{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}')
capture = state.Capture()
for change in ("PutItem", "PutItem", "UpdateItem", "DeleteItem"):
    key = {"k": {"S": 'odd " \\u2028 ' + change[0]}}
    more = {"PutItem": {"Item": {**key, "n": {"N": "1"}}}, "DeleteItem": {"Key": key},
            "UpdateItem": {"Key": key, "UpdateExpression": "ADD n :one",
                           "ExpressionAttributeValues": {":one": {"N": "1"}}}}
    call(dynamodb, "DynamoDB_20120810." + change, TableName="with", **more[change])
    captured = capture(True)
    for name, service in (("sqs", sqs), ("cloudwatch_logs", cloudwatch_logs),
                          ("dynamodb", dynamodb), ("cloudformation", cloudformation)):
        theirs = json.loads(json.dumps(service.get_state(), default=_json_default))
        assert json.loads(captured[name + ".json"])["payload"] == theirs, name
assert b"AWS::SQS::Queue" in captured["cloudformation.json"]
assert "eks.json" not in captured  # not loaded: nothing to save
for module, names in {
    s3: ("_fire_s3_event", "_fire_s3_event_async", "_next_event_sequencer"),
    sqs: ("_receive_messages_for_esm", "_delete_messages_for_esm"),
    lambda_svc: ("CODE_BLOB_DIR", "_prune_orphan_code_blobs", "_ensure_poller"),
    app: ("_load_persisted_state", "save_all"),
}.items():
    for name in names:
        assert hasattr(module, name), name
print("the same")
"""


def test_what_is_captured_is_what_the_emulator_would_save(tmp_path: Path) -> None:
    pytest.importorskip("ministack")
    program = [sys.executable, "-W", "ignore", "-c", LIVE_STATE]
    clean = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    clean |= {"STATE_DIR": str(tmp_path), "LOG_LEVEL": "ERROR"}
    done = subprocess.run(program, env=clean, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "the same\n", done.stderr
