"""A user at a terminal: the installed `labelctl`, a local cloud of its own, and a few photographs.

One local cloud serves all tests of a run; each test that changes something has a stack of its own.
Tests that stop, kill or damage a local cloud get a copy of one with a deployed stack.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from labelctl.contract import schema
from labelctl.local import processes
from tests.e2e.warm import WarmLabelctl, warm_labelctl

Client = Callable[[str], Any]
Photo = Callable[..., Path]

LABELCTL = Path(sys.executable).with_name("labelctl")
_TIMEOUT = 300  # seconds; a busy machine takes long to label a whole album


@dataclass(frozen=True)
class Answer:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]


@dataclass(frozen=True)
class User:
    """Runs `labelctl` with nothing of this machine's AWS configuration.

    `deployed` is what their last deploy printed, where it is known. With `warm` commands are forked
    from that process, which is faster; without it, and by `start`, the installed script runs.
    """

    env: dict[str, str]
    folder: Path
    deployed: Mapping[str, Any] | None = None
    warm: WarmLabelctl | None = None

    def __call__(
        self, *arguments: str | Path, code: int | tuple[int, ...] = 0, **env: str
    ) -> Answer:
        """Run a command to its end; it must end with `code` (or one of them)."""
        answer = self.run([str(each) for each in arguments], self.env | env)
        codes = code if isinstance(code, tuple) else (code,)
        assert answer.code in codes, f"{arguments}: {answer}"
        return answer

    def run(self, arguments: list[str], env: dict[str, str]) -> Answer:
        """Run a command with this environment, however it ends."""
        if self.warm and self.warm.suits(env):
            code, out, err = self.warm.run(arguments, env, self.folder, _TIMEOUT)
            return Answer(code, out.decode(), err.decode())
        done = subprocess.run(
            [LABELCTL, *arguments],
            env=env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    def like(self, folder: Path | None = None, **env: str) -> User:
        """The same user in another folder, or with more environment variables."""
        return replace(self, env=self.env | env, folder=folder or self.folder, deployed=None)

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The outputs of their stack, as they were at the first look."""
        result = self.deployed or self("status", "-o", "json").json
        return dict(result["outputs"])

    def start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Run a command in the background, in a process group of its own."""
        return subprocess.Popen(
            [LABELCTL, *map(str, arguments)],
            env=self.env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


def clean_environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "COLUMNS": "80",
        "AWS_EC2_METADATA_DISABLED": "true",
        "LABELCTL_HOME": str(home / "labelctl"),
    }


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def warm(home: Path) -> Iterator[WarmLabelctl]:
    """A process that commands are forked from."""
    with warm_labelctl(clean_environment(home)) as process:
        yield process


@pytest.fixture(scope="session")
def cloud(home: Path, warm: WarmLabelctl) -> Iterator[User]:
    """A user whose local cloud runs; it is stopped in the end."""
    user = User(clean_environment(home), home, warm=warm)
    user("local", "start")
    yield user
    user("local", "stop")


@pytest.fixture
def own(tmp_path: Path, warm: WarmLabelctl) -> Iterator[User]:
    """A user with a local cloud of their own, which does not run yet."""
    home = tmp_path / "home"
    home.mkdir()
    yield User(clean_environment(home) | {"LABELCTL_LOCAL": "1"}, tmp_path, warm=warm)
    end_all(cloud_folder(home))


@pytest.fixture
def own_stack(own: User, saved_stack: User) -> User:
    """A user with a local cloud of their own, which does not run, and a stack in it."""
    folder = cloud_folder(Path(own.env["HOME"]))
    shutil.copytree(cloud_folder(Path(saved_stack.env["HOME"])), folder)
    return replace(own, deployed=saved_stack.deployed)


@pytest.fixture(scope="session")
def saved_stack(tmp_path_factory: pytest.TempPathFactory, warm: WarmLabelctl) -> User:
    """A user whose local cloud has a stack, and was stopped: to be copied."""
    home = tmp_path_factory.mktemp("saved")
    user = User(clean_environment(home) | {"LABELCTL_LOCAL": "1"}, home, warm=warm)
    try:
        return deploy(user)
    finally:
        user("local", "stop")


@pytest.fixture(scope="module")
def shared_stack(cloud: User, request: pytest.FixtureRequest) -> Iterator[User]:
    name = request.module.__name__.rpartition(".")[2].replace("_", "-")
    with deployed(cloud.like(LABELCTL_LOCAL="1", LABELCTL_STACK=name)) as user:
        yield user


@pytest.fixture
def shared(shared_stack: User, tmp_path: Path) -> User:
    """A user in an empty folder, with a stack that tests of this file share.

    They only add photos, whose keys no other test has.
    """
    return replace(shared_stack, folder=tmp_path)


def cloud_folder(home: Path) -> Path:
    """The data folder of the local cloud of the user with this home folder."""
    return home / "labelctl" / "local"


def end_all(folder: Path) -> None:
    """Kill the processes of the local cloud in this folder, which nobody needs any longer."""
    while running := processes.find_processes(folder):
        for pid in running:
            kill(pid)


def kill(pid: int) -> None:
    """Kill a process, and wait until it has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not processes.alive(pid))


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until a condition holds; its value."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.02)
    return found


@pytest.fixture
def user(cloud: User, tmp_path: Path) -> User:
    """A user in an empty folder."""
    return cloud.like(tmp_path, LABELCTL_LOCAL="1")


@pytest.fixture
def undeployed(user: User, client: Client, request: pytest.FixtureRequest) -> Iterator[User]:
    """A user with a stack name of their own, in a folder of their own; nothing is deployed yet."""
    name = "t-" + re.sub("[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-")
    yield user.like(LABELCTL_STACK=name)
    end_function(client, name)


@pytest.fixture
def stack(undeployed: User) -> User:
    """A user with a stack of their own, deployed."""
    return deploy(undeployed)


@contextlib.contextmanager
def deployed(user: User) -> Iterator[User]:
    """The user with their stack, for the block: for stacks that the tests of a module share.

    It is destroyed in the end, as the local cloud writes all tables whenever one of them changes.
    """
    try:
        yield deploy(user)
    finally:
        user("destroy", "--yes", "--quiet")


def deploy(user: User) -> User:
    """The user once their stack is deployed, with its outputs.

    Two copies of the function are the fewest that AWS allows, and start faster than four.
    """
    answer = user("deploy", "--concurrency", "2", "--quiet", "-o", "json")
    return replace(user, deployed=answer.json)


def end_function(client: Client, stack: str) -> None:
    """Delete the function of a stack, if it has one, so that its process ends.

    The rest of the stack stays until the local cloud ends: `labelctl destroy` would take longer than
    most tests.
    """
    with contextlib.suppress(ClientError):  # the test has destroyed the stack, or never deployed it
        resource = client("cloudformation").describe_stack_resource(
            StackName=stack, LogicalResourceId="Function"
        )
        name = resource["StackResourceDetail"]["PhysicalResourceId"]
        functions = client("lambda")
        sources = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        for source in sources:
            functions.delete_event_source_mapping(UUID=source["UUID"])
        functions.delete_function(FunctionName=name)


@pytest.fixture(scope="session")
def client(cloud: User) -> Client:
    """boto3 clients of the local cloud, as any tool would make them."""
    variables = json.loads(cloud("local", "env", "-o", "json").out)

    @functools.cache
    def make(service: str) -> Any:
        name = "AWS_ENDPOINT_URL_REKOGNITION" if service == "rekognition" else "AWS_ENDPOINT_URL"
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=variables[name],
            region_name=variables["AWS_REGION"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )

    return make


def stored_items(dynamodb: Any, outputs: Mapping[str, str]) -> tuple[list[Any], list[Any]]:
    """The photos' items in a stack's tables, and the index items that lead to them."""
    photos, labels = (
        dynamodb.scan(TableName=outputs[table], ConsistentRead=True)["Items"]
        for table in ("Table", "LabelsTable")
    )
    return photos, [item for item in labels if item["label"]["S"] != schema.VOCABULARY]


@pytest.fixture(scope="session")
def photographs() -> Path:
    """The folder of scikit-image's photographs: astronaut, chelsea, coffee, rocket."""
    found = importlib.util.find_spec("skimage")
    assert found
    assert found.origin
    return Path(found.origin).parent / "data"


@pytest.fixture
def photo(photographs: Path, tmp_path: Path) -> Callable[..., Path]:
    """Puts a photograph into the user's folder under a name."""

    def put(name: str, source: str = "rocket.jpg") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photographs / source, path)
        return path

    return put


def data_of(page: Path) -> Any:
    """What a page shows, as its scripts read it."""
    [text] = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page.read_text()
    )
    return json.loads(text)
