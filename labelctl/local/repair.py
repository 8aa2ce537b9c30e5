"""The repairs that a start of the local cloud makes, and the notices to show about them.

Each function returns a notice for the user, "" if nothing was wrong.
"""

from __future__ import annotations

from pathlib import Path

from labelctl.local import credentials, processes
from labelctl.local.folder import Record


def lost_settings(home: Path, record: Record | None) -> str:
    """A notice if the record is missing or damaged, and which settings were lost with it."""
    if record is None and not (home / "state").exists():
        return ""
    if record and not record.lost:
        return ""
    what = "is damaged" if record else "is missing"
    notice = f"The local cloud's record {home / 'engine.json'} {what}. Photos and labels are kept."
    if record is None or "port" in record.lost:
        notice += " It has a new address: `labelctl local env` shows it."
    if record is None or "model" in record.lost:
        notice += " If it used your own model, run: labelctl local start --model FILE.onnx"
    return notice


def access_key(home: Path) -> str:
    """Create an access key if the stored one is missing or damaged."""
    known = credentials.load(home) is not None
    credentials.load_or_create(home)
    if known or not (home / "state").exists():
        return ""
    return (
        f"The local cloud's access key, {home / credentials.FILE}, was missing or damaged. It has a "
        "new one, shown by `labelctl local env`. Links created with the old key no longer work."
    )


def ports(record: Record, keep: set[int]) -> tuple[bool, str]:
    """Choose new ports where the recorded ones are in use by other programs.

    Processes in `keep` are running and keep their ports. Returns whether a port changed, and a notice.
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
    in_use = " and ".join(str(port) for port in taken if port)
    if not in_use:
        return bool(taken), ""
    which = "local cloud" if "port" in moved else "local cloud's recogniser"
    port = record.port if "port" in moved else record.recogniser_port
    return True, (
        f"Another program uses port {in_use}, so the {which} is now at "
        f"http://127.0.0.1:{port}. `labelctl local env` shows its new variables."
    )


def saved_state(home: Path) -> str:
    """Make the newest intact snapshot the current one, and restore damaged Lambda code.

    Raises LocalCloudError if every snapshot is damaged.
    """
    from labelctl.local.persistence import function_code
    from labelctl.local.persistence.journal import Journal
    from labelctl.local.persistence.snapshots import SnapshotStore

    snapshots = SnapshotStore(home / "state")
    snapshot, fallback = snapshots.recover()
    if snapshot is None and any((home / "objects").rglob("*")):
        fallback = (
            "The local cloud's saved state is missing, so stacks and labels are lost. The photos are "
            f"still in {home / 'objects'}; `labelctl local reset` deletes them."
        )
    else:
        fallback = " ".join(filter(None, [fallback, lost_photos(home, create=True)]))
    code = function_code.repair(snapshots, home / "objects")
    lost = ""
    if Journal(home / "state" / "journal").is_damaged():
        lost = (
            "Some notifications of new photos are damaged. Photos and labels are kept. To label the "
            "affected photos: labelctl verify --repair --local"
        )
    return " ".join(filter(None, [fallback, code, lost]))


def lost_photos(home: Path, *, create: bool = False) -> str:
    """A notice if another program has deleted the folder of a bucket.

    With `create`, the folders exist again afterwards, and are not reported again.
    """
    from labelctl.local.persistence import bucket_folders
    from labelctl.local.persistence.snapshots import SnapshotStore

    missing = bucket_folders.missing(SnapshotStore(home / "state"), home / "objects")
    if not missing:
        return ""
    folder = home / "objects" if not (home / "objects").is_dir() else missing[0]
    for each in missing if create else ():
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    return (
        f"The local cloud's folder {folder} is missing, and the files that were in it. If you have a"
        " copy, run `labelctl local stop` and copy them back. To remove the labels of lost photos:"
        " labelctl verify --repair --local. To start over: labelctl local reset"
    )
