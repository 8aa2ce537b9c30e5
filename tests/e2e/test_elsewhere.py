"""AWS's own variables and files say where labelctl works; `--local` is only one more set of them.

The place here is an emulator as anybody may start it, without our gateway, and a recogniser started by
hand. Nothing of labelctl knows of them but through AWS_ENDPOINT_URL, a profile, and a region.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from labelctl.local import processes
from labelctl.local.credentials import Credentials
from labelctl.local.rekognition.emulator_client import Cloud
from labelctl.local.rekognition.server import RecogniserServer
from tests.e2e.conftest import LABELCTL, User, clean_environment
from tests.e2e.warm import WarmLabelctl
from tests.unit.recogniser_world import InProcess, allow, serving

Photo = Callable[..., Path]
Client = Callable[[str], Any]

REGION = "eu-central-1"


@contextmanager
def running(*arguments: str, env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """`python -m …` in the background, for a while; its stdout can be read."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=env,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if "--port" in arguments else errors,
            stderr=errors,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.communicate(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bare emulator, and a recogniser beside it; the emulator's URL."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (port,) = processes.choose_ports(1)
    url = f"http://127.0.0.1:{port}"
    env = clean_environment(folder) | {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(folder),  # where its workers leave their code
    }
    root = Credentials("test", "test")
    doors = {"fetch": Cloud(url, root).fetch, "authorize": allow}
    with serving(RecogniserServer(0, InProcess(), root=root, **doors)) as address:
        env |= {
            "AWS_ENDPOINT_URL_REKOGNITION": address,
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",  # it would listen on every interface
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
            "LOG_LEVEL": "WARNING",
        }
        with running("tests.e2e.bare_emulator", env=env, log=folder / "emulator.log") as emulator:
            deadline = time.monotonic() + 60
            while processes.free_port(port):
                assert emulator.poll() is None, (folder / "emulator.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield url


@pytest.fixture
def abroad(tmp_path: Path, warm: WarmLabelctl) -> User:
    """A user who has never heard of --local, and has no credentials yet."""
    return User(clean_environment(tmp_path), tmp_path, warm=warm)


KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def test_the_whole_story_at_another_endpoint(abroad: User, endpoint: str, photo: Photo) -> None:
    user = abroad.like(**KEYS, AWS_ENDPOINT_URL=endpoint, AWS_REGION=REGION)
    photo("me.png", "astronaut.png")

    deployed = user("deploy", "-o", "json").json
    assert f":{REGION}:" in deployed["stack_id"]
    assert user("upload", "me.png").rows == [["uploaded", "me.png", ""]]
    assert user("labels", "me.png", "--wait").rows[0][0] == "Face"
    assert user("status").rows[0] == ["stack", f"labelctl ({REGION})"]
    assert user("tail", "--no-follow").rows[0][:2] == ["labelled", "me.png"]
    elsewhere = user("status", AWS_REGION="us-east-1", code=3)
    assert 'There is no stack "labelctl" in us-east-1.' in elsewhere.err
    assert user("status", "--region", REGION, AWS_REGION="us-east-1").code == 0
    assert user("destroy", "--yes", "-o", "json").json["destroyed"][0] == "labelctl"
    assert not Path(user.env["LABELCTL_HOME"]).exists()


def test_a_profile_says_where_and_who(abroad: User, endpoint: str) -> None:
    folder = abroad.folder / ".aws"
    folder.mkdir()
    (folder / "config").write_text(
        f"[profile lab]\nregion = {REGION}\nendpoint_url = {endpoint}\n"
        f"[profile far]\nregion = us-west-2\nendpoint_url = {endpoint}\n"
        "[default]\nregion = us-east-1\nendpoint_url = http://127.0.0.1:9\n"
    )
    (folder / "credentials").write_text(
        "".join(
            f"[{name}]\naws_access_key_id = test\naws_secret_access_key = test\n"
            for name in ("lab", "far")
        )
    )

    assert "No AWS credentials were found." in abroad("status", code=4).err
    assert abroad("deploy", "--stack", "of-profile", "--quiet", AWS_PROFILE="lab").code == 0
    answer = abroad("status", "--stack", "of-profile", "--profile", "lab", "-o", "json").json
    assert answer["region"] == REGION
    abroad("status", "--stack", "of-profile", AWS_PROFILE="far", code=3)
    abroad("status", "--stack", "of-profile", "--profile", "lab", AWS_PROFILE="far")
    abroad("status", "--stack", "of-profile", AWS_PROFILE="lab", AWS_REGION="us-west-2", code=3)
    nobody = abroad("status", "--profile", "nobody", code=2)
    assert "nobody" in nobody.err
    assert "list-profiles" in nobody.err
    both = abroad("status", "--profile", "lab", "--local", code=2)
    assert "--profile cannot be used with the local cloud" in both.err
    abroad("destroy", "--stack", "of-profile", "--yes", "--quiet", AWS_PROFILE="lab")


def test_on_aws_a_link_is_to_be_clicked(abroad: User, endpoint: str) -> None:
    """At any endpoint but the local cloud's it is AWS's mail; a bare emulator takes alarms, too."""
    env = KEYS | {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": REGION}
    user = abroad.like(**env, LABELCTL_STACK="alarmed")

    first = user("deploy", "--alarm-email", "ops@example.com")

    assert "AWS sends an email to ops@example.com. Click its link" in first.err
    assert "labelctl verify --repair --stack alarmed" in first.err
    assert any(row[0] == "AlarmTopic" for row in first.rows)
    again = user("deploy").err
    assert "click" not in again
    assert "verify" not in again
    changed = user("deploy", "--alarm-email", "ops@example.com").err
    assert "is confirmed: labelctl status --stack alarmed" in changed
    warnings = user("status", "-o", "json").json["warnings"]  # a bare emulator takes any address
    assert "no_alarms" not in [warning["kind"] for warning in warnings]
    user("deploy", "--no-alarm", "--quiet")
    assert "AlarmTopic" not in user.outputs
    user("destroy", "--yes", "--quiet")


def test_an_endpoint_where_nobody_listens_is_named(abroad: User) -> None:
    (port,) = processes.choose_ports(1)
    env = KEYS | {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}

    answer = abroad("status", code=4, **env, AWS_MAX_ATTEMPTS="1")

    assert f"http://127.0.0.1:{port}" in answer.err.splitlines()[0]
    assert "AWS_ENDPOINT_URL" in answer.err
    assert "Traceback" not in answer.err


def test_any_aws_tool_reaches_the_local_cloud(shared: User, photo: Photo) -> None:
    """As in the manual: eval "$(labelctl local env)", in a shell that pointed elsewhere before."""
    photo("a.jpg")
    bucket = shared.outputs["PhotosBucket"]
    program = f"import boto3; boto3.client('s3').upload_file('a.jpg', '{bucket}', 'by boto3.jpg')"

    in_shell(shared, f'"{sys.executable}" -c "{program}"')

    assert shared("labels", "by boto3.jpg", "--wait").rows[0][0] == "Black"


@pytest.mark.skipif(not shutil.which("aws"), reason="needs the AWS CLI on PATH")
def test_the_aws_cli_brings_photos_too(shared: User, photo: Photo) -> None:
    photo("a.jpg")
    bucket = shared.outputs["PhotosBucket"]

    in_shell(shared, f"aws s3 cp a.jpg s3://{bucket}/by-the-cli.jpg")

    assert shared("labels", "by-the-cli.jpg", "--wait").rows[0][0] == "Black"


MISLEADING = {
    "AWS_PROFILE": "work",
    "AWS_SESSION_TOKEN": "real-token",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "AWS_REGION": "eu-west-1",
    "HTTP_PROXY": "http://127.0.0.1:9",  # where nobody listens
    "NO_PROXY": "example.com",
}


def test_a_proxy_is_no_way_to_the_local_cloud(shared: User) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        proxy = {name: "http://127.0.0.1:9", "NO_PROXY": "example.com"}
        assert shared("images", **proxy).code == 0
    exported = shared("local", "env", HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="example.com").out
    assert "export NO_PROXY=example.com,127.0.0.1\n" in exported
    assert "PROXY" not in shared("local", "env").out


def in_shell(user: User, line: str) -> None:
    done = subprocess.run(
        ["bash", "-euc", f'eval "$("{LABELCTL}" local env)"; {line}'],
        env=user.env | MISLEADING,
        cwd=user.folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


class Wiretap:
    """Passes on all that comes to a port of its own to another one, and keeps what was said."""

    def __init__(self, to: int) -> None:
        self.heard = bytearray()
        self._to = to
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            called = socket.create_connection(("127.0.0.1", self._to))
            for source, target, keep in ((caller, called, True), (called, caller, False)):
                threading.Thread(
                    target=self._pass_on, args=(source, target, keep), daemon=True
                ).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, keep: bool) -> None:
        with source:
            try:
                while piece := source.recv(65536):
                    if keep:
                        self.heard += piece
                    target.sendall(piece)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                return


def test_the_users_own_credentials_stay_where_they_are(
    cloud: User, home: Path, tmp_path: Path
) -> None:
    """With --local neither the local cloud nor the endpoint of the environment gets to see them."""
    local = home / "labelctl/local"
    record = json.loads((local / "engine.json").read_text())
    root = json.loads((local / "credentials.json").read_text())
    tap, trap = Wiretap(record["port"]), Wiretap(9)
    folder = tmp_path / "tapped" / "local"
    folder.mkdir(parents=True)
    (folder / ".labelctl-local").touch()
    (folder / "engine.json").write_text(json.dumps(record | {"port": tap.port}))
    (folder / "credentials.json").write_text(json.dumps(root))
    config = tmp_path / "config"
    config.write_text("[profile work]\nregion = eu-west-1\n")
    secrets = {
        "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
        "AWS_SECRET_ACCESS_KEY": "real-secret",
        "AWS_SESSION_TOKEN": "real-token",
    }
    user = cloud.like(tmp_path, LABELCTL_HOME=str(tmp_path / "tapped"))
    env = secrets | {
        "AWS_PROFILE": "work",
        "AWS_CONFIG_FILE": str(config),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{trap.port}",
        "AWS_ENDPOINT_URL_CLOUDFORMATION": f"http://127.0.0.1:{trap.port}",
    }

    answer = user("deploy", "--dry-run", "--local", "--verbose", "--stack", "tapped", **env)
    shown = user("local", "env", **env)
    tap.close()
    trap.close()

    heard = bytes(tap.heard)
    assert f"Credential={root['access_key_id']}/".encode() in heard
    assert root["secret_access_key"].encode() not in heard
    assert b"CreateChangeSet" in heard
    assert "cloudformation CreateChangeSet: 200" in answer.err
    for secret in secrets.values():
        assert secret.encode() not in heard
        assert secret not in answer.out + answer.err + shown.out + shown.err
    assert trap.heard == b""
    (unset,) = [line for line in shown.out.splitlines() if line.startswith("unset ")]
    assert {"AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL_CLOUDFORMATION"} <= set(
        unset.split()
    )
