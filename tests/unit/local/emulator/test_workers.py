"""Lambda workers of the local cloud end when their function is deleted or they are idle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
import io, os, threading, time, zipfile
from ministack.core import lambda_runtime
from ministack.core.responses import request_scope
from ministack.services import lambda_svc
from labelctl.local.emulator import workers

packed = io.BytesIO()
with zipfile.ZipFile(packed, "w") as archive:
    archive.writestr("index.py", "def handler(event, context):\\n    return event")

def config(name):
    arn = f"arn:aws:lambda:eu-west-1:111122223333:function:{name}"
    return {"FunctionName": name, "FunctionArn": arn, "Runtime": "python3", "Handler": "index.handler"}

def create(name):
    with request_scope("111122223333", "eu-west-1"):
        lambda_svc._functions[name] = {"config": config(name)}

def delete(name):
    with request_scope("111122223333", "eu-west-1"):
        del lambda_svc._functions[name]

def lease(name):
    worker, _ = lambda_runtime.acquire_worker(name, config(name), packed.getvalue())
    return worker

def use(name):
    worker = lease(name)
    assert worker.invoke(1, "request")["result"] == 1
    lambda_runtime.release_worker(worker)
    return worker

def pid(worker):
    return worker._proc and worker._proc.pid

def runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
"""

GONE = """
create("mine"), create("other")
one, another = use("mine"), use("other")
mine, other = pid(one), pid(another)
workers.end_now(idle=60)
assert runs(mine) and runs(other)
delete("mine")
workers.end_now(idle=60)
assert not runs(mine) and runs(other)
assert not os.path.exists(one._tmpdir)
assert list(lambda_runtime._workers) == ["111122223333:eu-west-1:other:$LATEST"]
create("mine")
assert runs(pid(use("mine")))
"""

AT_WORK = """
create("mine")
use("mine")
worker = lease("mine")
mine = pid(worker)
delete("mine")
workers.end_now(idle=0)
assert runs(mine)
assert worker.invoke(1, "request")["result"] == 1
lambda_runtime.release_worker(worker)
workers.end_now(idle=60)
assert not runs(mine)
"""

IDLE = """
create("mine")
one, another = lease("mine"), lease("mine")
for worker in (one, another):
    worker.invoke(1, "request")
    lambda_runtime.release_worker(worker)
pids = [pid(one), pid(another)]
another.last_used = time.time() - 61
workers.end_now(idle=60)
assert [runs(each) for each in pids] == [True, False]
one.last_used = time.time() - 61
workers.end_now(idle=60)
assert not runs(pids[0])
assert not lambda_runtime._workers
assert runs(pid(use("mine")))
"""

WATCHED = """
create("mine")
mine = pid(use("mine"))
delete("mine")
looked = threading.Event()
workers.end_unneeded(sleep=lambda seconds: looked.set() if not runs(mine) else None)
assert looked.wait(20)
"""


@pytest.mark.parametrize("program", [GONE, AT_WORK, IDLE, WATCHED])
def test_workers_end(tmp_path: Path, program: str) -> None:
    pytest.importorskip("ministack")
    end = "\nlambda_runtime.reset()\nprint('done', flush=True)\nos._exit(0)"
    clean = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    clean |= {"STATE_DIR": str(tmp_path), "LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-W", "ignore", "-c", BEGIN + program + end]
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    assert done.stdout == "done\n", done.stderr
