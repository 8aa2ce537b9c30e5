"""Start, stop, check and reset the two processes of the local cloud.

The engine (ministack behind our gateway) and the recogniser keep running between commands, each in its
own session, and share one data folder (labelctl.local.folder). Their ports are chosen once and kept
while they are free. Their environment is built from scratch, so the user's AWS credentials and settings
never reach the emulator or the functions that run in it. IAM is always enforced, as on AWS. A lock on
the folder makes two commands that start at the same time share one engine. This module must not handle
AWS calls or photos, and imports neither boto3 nor ministack.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelctl import paths, times
from labelctl.errors import Command, LocalCloudError
from labelctl.local import credentials, environment, folder, health, processes, repair, requirements
from labelctl.local.credentials import Credentials
from labelctl.local.folder import data_home

_LOG_LIMIT = 4 * 1024 * 1024  # bytes
_MIN_FREE = 1024 * 1024  # bytes of disk space; with less, a start cannot succeed
_START_TIMEOUT = 60.0  # seconds; the first start compiles the emulator's modules
_STOP_TIMEOUT = 10.0  # seconds
_CHECK_TIMEOUT = 90.0  # seconds; the check itself has a shorter limit
_OTHER_MODEL = (
    "Use another model: ",
    Command("local", "start", "--model", "FILE.onnx"),
    "\nUse no model: ",
    Command("local", "start", "--no-model"),
)


@dataclass(frozen=True)
class Cloud:
    """A running local cloud. `notice` is a message to show the user once, usually ""."""

    endpoint: str
    recogniser: str
    pid: int
    recogniser_pid: int
    credentials: Credentials
    home: Path
    model: str | None
    model_version: str | None
    started_at: str
    notice: str = ""


def status(home: Path | None = None) -> Cloud | None:
    """The cloud if both processes run and prove their identity, else None. Starts nothing.

    Raises LocalCloudError if one of them runs but does not answer.
    """
    home = _absolute(home)
    record = folder.read(home)
    if record is None or not all(_up(home, record)):
        return None
    has_objects = (home / "objects").is_dir()  # if not, usually because there are none yet
    return _cloud(home, record, "" if has_objects else repair.lost_photos(home))


def start(
    *, model: Path | None = None, forget_model: bool = False, home: Path | None = None
) -> Cloud:
    """Start or repair the cloud if necessary; return it as soon as it answers.

    `model` is an ONNX file that the recogniser supports. It is stored for later starts: None means the
    stored model, or no model with `forget_model`. A different model or a changed file restarts only
    the recogniser; an unusable model changes nothing. Raises LocalCloudError, with a hint, if the
    cloud cannot run.
    """
    home = _absolute(home)
    if model:
        paths.check(model := paths.absolute(folder.expand_user(model)))
    wanted = str(model.resolve()) if model else None
    if wanted and not Path(wanted).is_file():
        raise LocalCloudError(
            f'There is no model file "{wanted}".', "Give --model the path of an .onnx file."
        )
    running = status(home)
    forget_model = forget_model and not (running and running.model is None)
    if running and not forget_model and _same_model(home, wanted):
        return running
    if wanted:
        _check_model(wanted)
    folder.prepare(home)
    with folder.locked(home):
        return _start(home, wanted, forget_model)


def stop(home: Path | None = None) -> Cloud | None:
    """Save everything and stop both processes. Returns the cloud that was running, or None."""
    home = _absolute(home)
    if not folder.is_ours(home):
        return None
    with folder.locked(home):
        return _stop(home)


def reset(home: Path | None = None) -> None:
    """Stop the cloud and delete its data, but no file that labelctl did not create.

    Raises LocalCloudError if the folder is not empty and is not labelctl's.
    """
    home = _absolute(home)
    if not home.is_dir() or not any(home.iterdir()):
        return
    folder.check_contents(home)
    with folder.locked(home):
        processes.end(processes.find_processes(home), _STOP_TIMEOUT)
        folder.delete_ours(home)


def _start(home: Path, wanted: str | None, forget_model: bool) -> Cloud:
    record = folder.read(home)
    notices = [repair.lost_settings(home, record), repair.access_key(home)]
    record = record or folder.Record()
    model = None if forget_model else wanted or record.model
    stamp = _stamp(model)
    engine_up, recogniser_up = _up(home, record)
    keep = {record.pid} if engine_up else set()
    if recogniser_up and (model, stamp) == (record.model, record.stamp):
        keep.add(record.recogniser_pid)
    if engine_up:
        # The engine's Lambda workers must go on, so end only an outdated recogniser.
        stale = {record.recogniser_pid} - keep
        processes.end(stale & processes.find_processes(home), _STOP_TIMEOUT)
    else:
        processes.end(processes.find_processes(home) - keep, _STOP_TIMEOUT)
    moved, notice = repair.ports(record, keep)
    notices.append(notice)
    if moved:  # each process has the other's address
        processes.end(processes.find_processes(home), _STOP_TIMEOUT)
        keep.clear()
    record.model, record.stamp = model, stamp
    before = processes.find_processes(home)
    recorded = {record.pid, record.recogniser_pid}
    try:
        if record.pid not in keep:
            notices.append(_spawn_engine(home, record))
        if record.recogniser_pid not in keep:
            notices.append(_spawn_recogniser(home, record))
        folder.write(home, record)  # now: if this command is killed, the next one must find them
        _wait_until_up(home, record)
        record.started_at = record.started_at or times.utc(time.time())
        folder.write(home, record)
    except BaseException:  # including Ctrl-C: leave nothing half started
        # A process that has just been started may not show its environment yet.
        started = {record.pid, record.recogniser_pid} - recorded
        processes.end((processes.find_processes(home) | started) - before, _STOP_TIMEOUT)
        raise
    return _cloud(home, record, " ".join(filter(None, notices)))


def _up(home: Path, record: folder.Record) -> tuple[bool, bool]:
    """Whether the engine and the recogniser run and prove their identity.

    Raises LocalCloudError if one of them runs but does not answer. It may hold unfinished work, so
    the user decides whether to end it.
    """
    found = []
    for name, pid, answers in (
        ("engine", record.pid, _engine_answers),
        ("recogniser", record.recogniser_pid, _recogniser_answers),
    ):
        if pid and processes.paused(pid) and pid in processes.find_processes(home):
            raise LocalCloudError(
                f"The local cloud's {name} (process {pid}) is paused.",
                f"To resume it: kill -CONT {pid}\nTo end it: ",
                Command("local", "stop"),
            )
        try:
            found.append(answers(home, record))
        except TimeoutError:
            raise LocalCloudError(
                f"The local cloud's {name} (process {pid}) is running but does not answer.",
                "If this machine is busy, try again. Otherwise run: ",
                Command("local", "stop"),
                f"\nLog: {home / name}.log",
            ) from None
    engine, recogniser = found
    return engine, recogniser


def _stop(home: Path) -> Cloud | None:
    record = folder.read(home) or folder.Record()
    found = processes.find_processes(home)
    if not found:
        return None
    cloud = _cloud(home, record)
    workers = found - {record.pid}
    processes.end(found & {record.pid}, _STOP_TIMEOUT)  # it saves its state before it ends
    processes.end(workers, _STOP_TIMEOUT)
    record.pid, record.recogniser_pid, record.started_at = 0, 0, ""
    with contextlib.suppress(OSError):  # every command checks whether the processes run
        folder.write(home, record)
    return cloud


def _spawn_engine(home: Path, record: folder.Record) -> str:
    requirements.check_installed()
    notice = repair.saved_state(home)
    for scratch in ("tmp", "empty-home"):
        shutil.rmtree(home / scratch, ignore_errors=True)
        (home / scratch).mkdir(mode=0o700, exist_ok=True)  # somebody may still write into it
    record.started_at = times.utc(time.time())
    child = _child_environment(home, record) | {
        "GATEWAY_PORT": str(record.port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": environment.REGION,
        "IOT_MTLS_ENABLED": "0",  # it would listen on all interfaces
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(home / "state" / "emulator"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(home / "objects"),
        "LOG_LEVEL": "WARNING",
    }
    log = _log(home, "engine.log")
    record.pid = processes.spawn(["labelctl.local.emulator.gateway"], child, log, home)
    return notice


def _spawn_recogniser(home: Path, record: folder.Record) -> str:
    from labelctl.local.rekognition import pretrained

    arguments = ["labelctl.local.rekognition", "--port", str(record.recogniser_port)]
    child, notice = _child_environment(home, record), ""
    if record.model:
        arguments += ["--model", record.model]
    else:
        networks, notice = pretrained.prepare(home / "models")
        child |= networks.variables()
    log = _log(home, "recogniser.log")
    record.recogniser_pid = processes.spawn(arguments, child, log, home)
    return notice


def _child_environment(home: Path, record: folder.Record) -> dict[str, str]:
    """Only what is listed here is passed on, so the user's AWS credentials are not."""
    kept = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH")
    child = {name: os.environ[name] for name in kept if name in os.environ}
    child = processes.without_current_directory(child)
    child |= environment.variables(_cloud(home, record))
    child[processes.HOME_VARIABLE] = str(home.resolve())  # the same through any symbolic link
    child["HOME"] = str(home / "empty-home")
    child["TMPDIR"] = str(home / "tmp")
    child["PYTHONUNBUFFERED"] = "1"
    child["PYTHONUTF8"] = "1"  # keys become file names
    return child


def _wait_until_up(home: Path, record: folder.Record) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    engine = recogniser = False
    while not (engine and recogniser):
        for name, pid in (("engine", record.pid), ("recogniser", record.recogniser_pid)):
            if not processes.alive(pid):
                _fail_start(home, record, name, "ended during startup")
        with contextlib.suppress(TimeoutError):
            engine = engine or _engine_answers(home, record)
            recogniser = recogniser or _recogniser_answers(home, record)
        if time.monotonic() > deadline:
            _fail_start(home, record, "recogniser" if engine else "engine", "does not answer")
        time.sleep(0.02)


def _fail_start(home: Path, record: folder.Record, name: str, what: str) -> None:
    if shutil.disk_usage(home).free < _MIN_FREE:
        raise folder.disk_full_error(home)
    log = home / f"{name}.log"
    hint: list[str | Command] = [f"Last lines of {log}:"]
    if lines := processes.last_lines(log):
        hint.append(f"\n{lines}")
    if name == "recogniser" and record.model:
        hint += [f"\nIt uses the model {record.model}.\n", *_OTHER_MODEL]
    raise LocalCloudError(f"The local cloud's {name} {what}.", *hint)


def _check_model(model: str) -> None:
    import subprocess

    requirements.check_installed()
    program = [sys.executable, "-P", "-m", "labelctl.local.rekognition"]
    try:
        done = subprocess.run(
            [*program, "--check", "--model", model],
            env=processes.without_current_directory(os.environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=_CHECK_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        raise LocalCloudError(
            f"The model {model!r} could not be checked within {_CHECK_TIMEOUT:.0f} seconds.",
            "Try again when this machine is less busy, or use another model.",
        ) from None
    if done.returncode:
        message, _, hint = done.stderr.strip().partition("\n")
        raise LocalCloudError(message, hint)


def _engine_answers(home: Path, record: folder.Record) -> bool:
    return (
        _check_health(home, health.ENGINE, record.pid, record.port, "/_labelctl/health") is not None
    )


def _recogniser_answers(home: Path, record: folder.Record) -> bool:
    pid, port = record.recogniser_pid, record.recogniser_port
    answer = _check_health(home, health.RECOGNISER, pid, port, "/health")
    if answer is None:
        return False
    version = answer.get("recogniser")
    record.version = str(version) if version else None
    return True


def _check_health(home: Path, role: str, pid: int, port: int, path: str) -> dict[str, Any] | None:
    """The answer to a health check, or None if the recorded process did not give it.

    Raises TimeoutError if it does not answer in time.
    """
    root = credentials.load(home)
    # If the process is dead, another program may use its port and never answer.
    if root is None or not pid or not processes.alive(pid):
        return None
    challenge = health.Challenge(root, role, pid)
    answer = processes.get_json(port, f"{path}?{challenge.query}")
    return answer if answer and challenge.is_met_by(answer.get("proof")) else None


def _cloud(home: Path, record: folder.Record, notice: str = "") -> Cloud:
    return Cloud(
        endpoint=f"http://127.0.0.1:{record.port}",
        recogniser=f"http://127.0.0.1:{record.recogniser_port}",
        pid=record.pid,
        recogniser_pid=record.recogniser_pid,
        credentials=credentials.load_or_create(home),
        home=home,
        model=record.model,
        model_version=record.version,
        started_at=record.started_at,
        notice=notice,
    )


def _absolute(home: Path | None) -> Path:
    requirements.check_system()
    home = paths.absolute(folder.expand_user(home)) if home else data_home()
    folder.check_owner(home)
    return home


def _same_model(home: Path, wanted: str | None) -> bool:
    record = folder.read(home)
    if record is None or wanted is None:
        return record is not None
    return (wanted, _stamp(wanted)) == (record.model, record.stamp)


def _stamp(model: str | None) -> str:
    if model is None:
        return ""
    try:
        found = Path(model).stat()
    except OSError as problem:
        raise LocalCloudError(
            f"The local cloud's model {model} cannot be read: {problem.strerror}.",
            "Put the file back.\n",
            *_OTHER_MODEL,
        ) from None
    return f"{found.st_size}:{found.st_mtime_ns}"


def _log(home: Path, name: str) -> Path:
    path = home / name
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        path.write_bytes(b"")
    return path
