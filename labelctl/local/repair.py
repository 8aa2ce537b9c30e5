"""What a start of the local cloud puts right by itself, and what it says about it.

Each function returns the notice that the user should read once, "" when there is nothing to say.
"""

from __future__ import annotations

from pathlib import Path

from labelctl.local import credentials, processes
from labelctl.local.folder import Record


def what_was_lost(home: Path, record: Record | None) -> str:
    """What a user should know about a record that is gone or damaged; "" when nothing is lost."""
    if record is None and not (home / "state").exists():
        return ""
    if record and not record.lost:
        return ""
    what = "is damaged" if record else "is missing"
    notice = f"The local cloud's record {home / 'engine.json'} {what}. Photos and labels are kept."
    if record is None or "port" in record.lost:
        notice += " It has a new address: `labelctl local env` shows it."
    if record is None or "model" in record.lost:
        notice += " If it used a model of yours: labelctl local start --model FILE.onnx"
    return notice


def access_key(home: Path) -> str:
    """Have an access key: the stored one, or a new one where it is missing or damaged."""
    known = credentials.load(home) is not None
    credentials.load_or_create(home)
    if known or not (home / "state").exists():
        return ""
    return (
        f"The local cloud's access key, {home / credentials.FILE}, was missing or damaged, so it has a "
        "new one. `labelctl local env` shows it; presigned links from before do not work any more."
    )


def settle_ports(record: Record, keep: set[int]) -> tuple[bool, str]:
    """Give the record ports that its processes can use: whether one changed, and what to say of it.

    The ports of running processes, which are in `keep`, are theirs.
    """
    taken, moved = [], []
    for name, pid in (("port", record.pid), ("recogniser_port", record.recogniser_pid)):
        port = getattr(record, name)
        if not port or (pid not in keep and not processes.free_port(port)):
            taken.append(port)
            moved.append(name)
            used = (record.port, record.recogniser_port)
            fresh = (each for each in processes.choose_ports(3) if each not in used)
            setattr(record, name, next(fresh))
    others = " and ".join(str(port) for port in taken if port)
    if not others:
        return bool(taken), ""
    what = "local cloud" if "port" in moved else "local cloud's recogniser"
    port = record.port if "port" in moved else record.recogniser_port
    return True, (
        f"Another program uses port {others}, so the {what} is now at "
        f"http://127.0.0.1:{port}. `labelctl local env` shows its new variables."
    )


def saved_state(home: Path) -> str:
    """Make the newest whole state the current one, and restore damaged code of functions.

    Raises LocalCloudError when no saved state is whole.
    """
    from labelctl.local.persistence import function_code
    from labelctl.local.persistence.journal import Journal
    from labelctl.local.persistence.snapshots import SnapshotStore

    snapshots = SnapshotStore(home / "state")
    whole, went_back = snapshots.recover()
    if whole is None and any((home / "objects").rglob("*")):
        went_back = (
            "The local cloud's saved state is missing: stacks and labels are lost. The photos' files "
            f"are still in {home / 'objects'}; `labelctl local reset` deletes them."
        )
    code = function_code.repair(snapshots, home / "objects")
    lost = ""
    if Journal(home / "state" / "journal").is_damaged():
        lost = (
            "Some of the notifications of new photos are damaged. Photos and labels are kept; "
            "to label those photos: labelctl verify --repair --local"
        )
    return " ".join(filter(None, [went_back, code, lost]))
