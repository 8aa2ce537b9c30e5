"""A stand-in for DynamoDB over HTTP that is faster than any client: its pages are rendered beforehand.

It has one stack, whose table `photos` holds photos of 20 labels each, and answers what `labelctl` and
`aws` ask of it: DescribeStacks, DescribeTable, Scan and, for one photo, GetItem, Query and HeadObject.
Every page of a scan is the same text with other keys.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.table_stream import photo_item

TABLE = "photos"
PHOTO = "00000/000.jpg"
PAGE = 300
"""Photos on a page: what DynamoDB reads at once, 1 MB."""

_PAGE_NUMBER = "@@@@@"
_STACK = """<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
<DescribeStacksResult><Stacks><member><StackName>labelctl</StackName>
<StackId>arn:aws:cloudformation:us-east-1:123456789012:stack/labelctl/1</StackId>
<StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-05-01T12:00:00Z</CreationTime>
<Description>labelctl - labels for photos</Description><Outputs>{outputs}</Outputs>
</member></Stacks></DescribeStacksResult>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeStacksResponse>"""
_OUTPUT = "<member><OutputKey>{}</OutputKey><OutputValue>{}</OutputValue></member>"
_OUTPUTS = {
    "PhotosBucket": "bucket",
    "Table": TABLE,
    "LabelsTable": "index",
    "Queue": "queue",
    "DeadLetterQueue": "dead-letters",
    "Function": "function",
    "LogGroup": "log",
}


@contextmanager
def table_server(photos: int) -> Iterator[dict[str, str]]:
    """Start the server with about so many photos; provides the environment that leads clients to it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(photos, theirs), daemon=True)
    process.start()
    try:
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ours.recv()}",
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
    finally:
        process.terminate()
        process.join()


def _serve(photos: int, ready: Any) -> None:
    pages = -(-photos // PAGE)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    _Handler.photos, _Handler.pages = pages * PAGE, pages
    items = [photo_item(f"{_PAGE_NUMBER}/{number:03}.jpg") for number in range(PAGE)]
    _Handler.items = json.dumps(items, separators=(",", ":")).encode()
    ready.send(server.server_port)
    server.serve_forever()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    photos: int
    pages: int
    items: bytes

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{"e" * 32}"')
        self.send_header("Last-Modified", "Fri, 01 May 2026 12:00:00 GMT")
        self.send_header("Content-Length", "1000")
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if not operation:
            outputs = "".join(_OUTPUT.format(*each) for each in _OUTPUTS.items())
            self._send(_STACK.format(outputs=outputs).encode(), "text/xml")
            return
        answer: dict[str, bytes] = {
            "Scan": self._scan(json.loads(body)),
            "DescribeTable": b'{"Table":{"ItemCount":%d}}' % self.photos,
            "GetItem": b'{"Item":%s}' % json.dumps(photo_item(PHOTO)).encode(),
            "Query": b'{"Count":1,"ScannedCount":1,"Items":[%s]}'
            % json.dumps(photo_item(PHOTO)).encode(),
        }
        self._send(answer[operation], "application/x-amz-json-1.0")

    def _scan(self, request: Any) -> bytes:
        """The page after `ExclusiveStartKey`, or the segment's first page."""
        segment, segments = request.get("Segment", 0), request.get("TotalSegments", 1)
        first, end = (self.pages * each // segments for each in (segment, segment + 1))
        if start := request.get("ExclusiveStartKey"):
            first = int(start["image"]["S"].partition("/")[0]) + 1
        if first >= end:
            return b'{"Count":0,"ScannedCount":0,"Items":[]}'
        text = b'{"Count":%d,"ScannedCount":%d,"Items":' % (PAGE, PAGE)
        text += self.items.replace(_PAGE_NUMBER.encode(), b"%05d" % first)
        if first + 1 < end:
            last = f"{first:05}/{PAGE - 1:03}.jpg"
            text += b',"LastEvaluatedKey":%s' % json.dumps({"image": {"S": last}}).encode()
        return text + b',"ConsumedCapacity":{"TableName":"photos","CapacityUnits":128}}'

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
