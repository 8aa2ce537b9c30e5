"""Helpers for the recogniser's tests: pictures, toy models, a server, a fake emulator."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import numpy as np
import onnx
from botocore.config import Config
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from labelctl.local.credentials import Credentials
from labelctl.local.emulator import admission
from labelctl.local.rekognition.emulator_client import Decision
from labelctl.local.rekognition.pool import Pool
from labelctl.local.rekognition.recogniser import Detection, Recogniser, model_version
from labelctl.local.rekognition.server import RecogniserServer

IMGSZ = 64

ROOT = Credentials("LCTLROOT", "the secret of the data folder")


def environment(endpoint: str) -> dict[str, str]:
    """The environment variables of a recogniser that runs in its own process."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ROOT.access_key_id,
        "AWS_SECRET_ACCESS_KEY": ROOT.secret_access_key,
    }


def allow(*_: object) -> Decision:
    """The decision of a gateway that allows everything."""
    return Decision("arn:aws:iam::000000000000:root")


def photo(name: str) -> bytes:
    """A photograph that is included in scikit-image."""
    package = find_spec("skimage")
    assert package
    assert package.origin
    return (Path(package.origin).parent / "data" / name).read_bytes()


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def plain(color: str, size: tuple[int, int] = (400, 200)) -> bytes:
    return encode(Image.new("RGB", size, color))


def endless_jpeg(scans: int = 5000, side: int = 3000) -> bytes:
    """A small progressive JPEG that repeats its last scan; each takes a full pass to decode."""
    picture = encode(Image.new("RGB", (side, side), "red"), "JPEG", progressive=True)
    start = picture.rindex(b"\xff\xda")
    return picture[:start] + (scans + 1) * picture[start:-2] + picture[-2:]


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    """Run the server in a thread during the block; yields its URL."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def client_of(url: str, access_key: str = "test", **config: Any) -> Any:
    return boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def soon(condition: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)
    return value


class InProcess:
    """A pool without worker processes or limits, which analyses one picture at a time itself."""

    def __init__(self, model: Path | None = None) -> None:
        self.version = model_version(model)
        self._recogniser = Recogniser(model)
        self._lock = threading.Lock()

    def turn(self) -> AbstractContextManager[None]:
        return nullcontext()

    def detect(
        self, data: bytes, max_colors: int | None = None, wanted: Callable[[], bool] = lambda: True
    ) -> Detection:
        with self._lock:
            return self._recogniser.detect(data, max_colors)


@contextmanager
def workers(model: Path | None = None, **options: Any) -> Iterator[Pool]:
    """A pool of worker processes that end with the block."""
    pool = Pool(model, **options)
    try:
        yield pool
    finally:
        pool.close()


@contextmanager
def rekognition(pool: Any, *, fetch: Any, authorize: Any, **client: Any) -> Iterator[Any]:
    """A boto3 client of a server with this pool and these functions."""
    server = RecogniserServer(0, pool, root=ROOT, fetch=fetch, authorize=authorize)
    with serving(server) as url:
        made = client_of(url, **client)
        yield made
        made.close()


class FakeEmulator(ThreadingHTTPServer):
    """A fake of what the recogniser uses: objects in S3, and the gateway's decisions on IAM.

    `allowed` contains (access key, action, resource). None means an emulator without the gateway, an
    exception one whose gateway fails. Signatures are not checked.
    """

    daemon_threads = True

    def __init__(
        self, objects: Mapping[str, bytes], allowed: set[tuple[str, str, str]] | Exception | None
    ) -> None:
        self.objects = objects
        self.allowed = allowed
        self.read_bytes = 0
        super().__init__(("127.0.0.1", 0), _EmulatorHandler)


class _EmulatorHandler(BaseHTTPRequestHandler):
    server: FakeEmulator

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/_labelctl/authorize" or self.server.allowed is None:
            return self._send(405, b"<Error><Code>MethodNotAllowed</Code></Error>")
        if isinstance(self.server.allowed, Exception):
            return self._send(500, b"{}")
        key = admission.access_key(question["headers"])
        principal = f"arn:aws:sts::000000000000:assumed-role/{key}/fn"
        denied = [
            action
            for action, resource in question["needs"]
            if (key, action, resource) not in self.server.allowed
        ]
        answer = {"denied": denied[0] if denied else None, "principal": principal}
        return self._send(200, json.dumps(answer).encode())

    def do_GET(self) -> None:
        data = self.server.objects.get(unquote(self.path.split("?")[0]))
        if data is None:
            return self._send(404, b"<Error><Code>NoSuchKey</Code></Error>")
        return self._send(200, data)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            for start in range(0, len(body), 65536):
                self.server.read_bytes += self.wfile.write(body[start : start + 65536])
        except ConnectionError:
            pass

    def log_message(self, format: str, *args: Any) -> None:
        pass


def write_model(
    path: Path, names: Any, kind: str, metadata: Mapping[str, str] | None = None
) -> Path:
    """Write a toy model: the score of a class is the mean of red, green or blue over the input.

    `kind` is "classify"; "detect", which returns `[1, 4 + 3, 2]` with the same box twice; or "end to
    end", which returns `[1, 2, 6]`. The box is the middle of the input, half of each side. `metadata`
    overrides entries of the file's metadata; an empty string omits one.
    """
    box = [IMGSZ / 4, IMGSZ / 4, 3 * IMGSZ / 4, 3 * IMGSZ / 4]
    nodes = [helper.make_node("ReduceMean", ["images", "axes"], ["means"], keepdims=0)]
    constants = {"axes": np.array([2, 3])}
    if kind == "classify":
        nodes.append(helper.make_node("Identity", ["means"], ["output0"]))
        shape = [1, 3]
    elif kind == "detect":
        centered = [IMGSZ / 2] * 4
        constants["boxes"] = np.array([[[v, v] for v in centered]], dtype=np.float32)
        constants["twice"] = np.ones((1, 1, 2), dtype=np.float32)
        constants["last"] = np.array([2])
        nodes += [
            helper.make_node("Unsqueeze", ["means", "last"], ["column"]),
            helper.make_node("Mul", ["column", "twice"], ["scores"]),
            helper.make_node("Concat", ["boxes", "scores"], ["output0"], axis=1),
        ]
        shape = [1, 7, 2]
    else:
        rows = [[*box, 0, 0], [*box, 0, 1]]
        constants["rows"] = np.array([rows], dtype=np.float32)
        constants["first two"] = np.array([0, 1])
        constants["last"] = np.array([2])
        constants["pads"] = np.array([0, 0, 4, 0, 0, 1])
        nodes += [
            helper.make_node("Gather", ["means", "first two"], ["two"], axis=1),
            helper.make_node("Unsqueeze", ["two", "last"], ["column"]),
            helper.make_node("Pad", ["column", "pads"], ["scores"]),
            helper.make_node("Add", ["rows", "scores"], ["output0"]),
        ]
        shape = [1, 2, 6]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, IMGSZ, IMGSZ])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    task = "classify" if kind == "classify" else "detect"
    properties = {"names": repr(names), "task": task, "imgsz": repr([IMGSZ, IMGSZ])}
    properties |= metadata or {}
    helper.set_model_props(model, {key: value for key, value in properties.items() if value})
    onnx.save(model, path)
    return path
