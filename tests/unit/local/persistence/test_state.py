"""Persistence of the local cloud: snapshots, the journal, and group commit."""

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
from labelctl.local.persistence.snapshots import SnapshotStore


@pytest.fixture
def snapshots(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "state")


def test_without_snapshots_there_is_nothing_to_recover(snapshots: SnapshotStore) -> None:
    assert snapshots.recover() == (None, "")


def test_unchanged_files_are_carried_over_and_two_snapshots_are_kept(
    snapshots: SnapshotStore,
) -> None:
    large = b"x" * 300_000
    assert snapshots.write({"sqs.json": b"1", "dynamodb.json": large})
    assert snapshots.write({"sqs.json": b"2"})
    assert snapshots.write({"sqs.json": b"3"})
    assert not snapshots.write({"sqs.json": b"3"})
    chosen, notice = snapshots.recover()
    assert chosen is not None
    assert (chosen.name, notice) == ("000003", "")
    assert (chosen / "sqs.json").read_bytes() == b"3"
    assert (chosen / "dynamodb.json").read_bytes() == large
    kept = {path.name for path in snapshots.folder.iterdir()}
    assert kept == {"000002", "000003", "current"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda newest: (newest / "sqs.json").write_bytes(b"{"),
        lambda newest: (newest / "sqs.json").unlink(),
        lambda newest: (newest / "manifest.json").write_bytes(b""),
        lambda newest: (newest / "manifest.json").write_bytes(b"[]"),
        lambda newest: (newest / "iam.json").write_bytes(b""),  # identical in both snapshots
    ],
)
def test_a_damaged_newest_snapshot_is_renamed_and_kept(
    snapshots: SnapshotStore, damage: object
) -> None:
    snapshots.write({"sqs.json": b"1", "iam.json": b"same"})
    snapshots.write({"sqs.json": b"2"})
    damage(snapshots.folder / "000002")  # type: ignore[operator]
    chosen, notice = snapshots.recover()
    assert chosen == snapshots.folder / "000001"
    assert "damaged-" in notice
    assert (snapshots.folder / "current").resolve() == chosen.resolve()
    assert len(list(snapshots.folder.glob("damaged-*"))) == 1
    assert snapshots.recover() == (chosen, "")
    snapshots.write({"sqs.json": b"3"})
    assert (snapshots.folder / "current/sqs.json").read_bytes() == b"3"


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
def test_a_lost_link_is_restored(snapshots: SnapshotStore, damage: object) -> None:
    snapshots.write({"sqs.json": b"1"})
    (snapshots.folder / "current").unlink()
    damage(snapshots.folder / "current")  # type: ignore[operator]
    assert snapshots.recover() == (snapshots.folder / "000001", "")
    assert (snapshots.folder / "current/sqs.json").read_bytes() == b"1"


def test_a_missing_newest_snapshot_is_reported(snapshots: SnapshotStore) -> None:
    snapshots.write({"sqs.json": b"1"})
    snapshots.write({"sqs.json": b"2"})
    shutil.rmtree(snapshots.folder / "000002")
    chosen, notice = snapshots.recover()
    assert chosen == snapshots.folder / "000001"
    assert "restored to" in notice
    assert "kept" not in notice


def test_if_all_snapshots_are_damaged_nothing_is_changed(snapshots: SnapshotStore) -> None:
    snapshots.write({"sqs.json": b"1"})
    snapshots.write({"sqs.json": b"2"})
    for path in snapshots.folder.glob("0*/sqs.json"):
        path.write_bytes(b"")
    before = sorted(snapshots.folder.rglob("*"))
    with pytest.raises(LocalCloudError, match="damaged") as failure:
        snapshots.recover()
    assert str(snapshots.folder) in failure.value.message
    assert "labelctl local reset" in failure.value.hint
    assert sorted(snapshots.folder.rglob("*")) == before


def test_a_kill_during_a_write_leaves_the_older_snapshot(
    snapshots: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots.write({"sqs.json": b"1"})

    def killed(self: SnapshotStore, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SnapshotStore, "_set_current", killed)
        with pytest.raises(KeyboardInterrupt):
            snapshots.write({"sqs.json": b"2"})
    chosen, notice = snapshots.recover()
    assert (chosen, notice) == (snapshots.folder / "000001", "")
    snapshots.write({"sqs.json": b"3"})
    assert (snapshots.folder / "current/sqs.json").read_bytes() == b"3"


def test_lambda_code_is_kept_while_a_snapshot_refers_to_it(
    snapshots: SnapshotStore,
) -> None:
    old, new = "a" * 64, "b" * 64
    snapshots.blobs.mkdir(parents=True)
    for name in (old, new):
        (snapshots.blobs / f"{name}.zip").write_bytes(b"code")

    def save(name: str, n: int) -> set[str]:
        text = json.dumps({"n": n, "code_zip": {"code_blob_ref": name}})
        snapshots.write({"lambda.json": text.encode()})
        snapshots.prune_blobs()
        return {path.stem for path in snapshots.blobs.iterdir()}

    snapshots.write({"lambda.json": json.dumps({"code_blob_ref": old}).encode()})
    assert save(new, 1) == {old, new}
    assert save(new, 2) == {new}


def test_the_journal_returns_events_since_a_snapshot(tmp_path: Path) -> None:
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


def test_a_partial_journal_line_was_never_confirmed(tmp_path: Path) -> None:
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


def test_a_damaged_journal_line_loses_only_that_line(tmp_path: Path) -> None:
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
    """Records what is saved; `value` is the state to save."""

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


def test_many_changes_share_a_snapshot_that_contains_each() -> None:
    disk = Disk()
    group = asyncio.run(commits(disk, 50))
    assert len(disk.saved) <= 2
    assert not group.unsaved


def test_a_change_that_cannot_be_saved_is_not_confirmed() -> None:
    disk = Disk()
    disk.fails = True
    with pytest.raises(OSError, match="disk full"):
        asyncio.run(commits(disk, 1))


def test_changes_that_no_client_waits_for_are_saved_at_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_commit, "MIN_INTERVAL", 0.05)
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
    assert took >= 0.1  # the first immediately, the others at that interval
    assert disk.saved[0][1] is True  # the first contains everything, such as the logs
    assert disk.saved[1][1] is False  # the logs wait for later


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


def test_the_captured_state_equals_the_emulators_own(tmp_path: Path) -> None:
    pytest.importorskip("ministack")
    program = [sys.executable, "-W", "ignore", "-c", LIVE_STATE]
    clean = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    clean |= {"STATE_DIR": str(tmp_path), "LOG_LEVEL": "ERROR"}
    done = subprocess.run(program, env=clean, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "the same\n", done.stderr
