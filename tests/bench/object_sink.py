"""The fastest S3 there is on one machine: nginx keeps what is put, and a stand-in answers the rest.

The stand-in knows one deployed stack, and answers listings and HEADs as an empty bucket does. nginx
comes from the system's package of this name; it writes into memory where the system has such a folder.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from labelctl.deploy import stack

BUCKET = "photos"
_ACCOUNT, _REGION = "123456789012", "us-east-1"
_STACK_ID = f"arn:aws:cloudformation:{_REGION}:{_ACCOUNT}:stack/labelctl/0a1b"

_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
{user}
events {{ worker_connections 1024; }}
http {{
  access_log off; client_max_body_size 64m; client_body_buffer_size 16k;
  keepalive_requests 1000000; keepalive_timeout 60s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}; root {folder}/objects;
    location / {{
      if ($request_method != PUT) {{ proxy_pass http://127.0.0.1:{other}; }}
      dav_methods PUT; create_full_put_path on;
      add_header ETag '"d41d8cd98f00b204e9800998ecf8427e"' always;
      add_header x-amz-request-id 0A1B always;
    }}
  }}
}}
"""


@contextmanager
def object_sink() -> Iterator[tuple[dict[str, str], Path]]:
    """Run it; provides the environment in which AWS is this sink, and the folder of the objects."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if nginx is None:
        raise SystemExit("This benchmark needs nginx. Install it, for example: apt install nginx")
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        folder = Path(name)
        (folder / "objects" / BUCKET).mkdir(parents=True)
        stand_in = ThreadingHTTPServer(("127.0.0.1", 0), _StandIn)
        threading.Thread(target=stand_in.serve_forever, daemon=True).start()
        port = _free_port()
        user = "user root;" if os.geteuid() == 0 else ""  # who reads the temporary folder
        text = _NGINX.format(folder=folder, port=port, other=stand_in.server_port, user=user)
        (folder / "nginx.conf").write_text(text)
        command = [nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        server = subprocess.Popen(command)
        try:
            _wait_for(port, server)
            yield _environment(port, folder), folder / "objects" / BUCKET
        finally:
            server.terminate()
            server.wait()
            stand_in.shutdown()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit("nginx did not start.")


def _environment(port: int, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _interferes(name)}
    return kept | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "AWS_REGION": _REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "LABELCTL_HOME": str(folder / "labelctl"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


def _interferes(name: str) -> bool:
    if name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):  # settings that slow Python down
        return True
    return name.startswith(("AWS_", "LABELCTL_")) or name.lower().endswith("_proxy")


class _StandIn(BaseHTTPRequestHandler):
    """DescribeStacks, ListObjectsV2 and HeadObject, of one stack with an empty bucket."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"] or 0))
        self._answer(_described())

    def do_GET(self) -> None:
        self._answer(
            "<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount>"
            f"<Name>{BUCKET}</Name><MaxKeys>1000</MaxKeys></ListBucketResult>"
        )

    def do_HEAD(self) -> None:
        self._answer("", 404)

    def _answer(self, text: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("x-amz-request-id", "0A1B")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


def _described() -> str:
    outputs = "".join(
        f"<member><OutputKey>{name}</OutputKey><OutputValue>{BUCKET}</OutputValue></member>"
        for name in sorted(stack.OUTPUTS)
    )
    return (
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member>"
        f"<StackName>labelctl</StackName><StackId>{_STACK_ID}</StackId>"
        f"<Description>{stack.PIPELINE}</Description><StackStatus>CREATE_COMPLETE</StackStatus>"
        f"<CreationTime>2030-01-01T00:00:00Z</CreationTime><Outputs>{outputs}</Outputs>"
        "</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
    )
