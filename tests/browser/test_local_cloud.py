"""Web pages open in a user's browser cannot run code in the local cloud or read from it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from botocore.config import Config

from labelctl.local import engine, processes
from tests.browser import albums

CODE = """
import pathlib, urllib.request
def handler(event, context):
    pathlib.Path(event["ResourceProperties"]["Mark"]).write_text("the page ran this")
"""
TRUST = {
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engine.Cloud]:
    home = tmp_path_factory.mktemp("cloud")
    yield engine.start(home=home)
    processes.end(processes.find_processes(home), 5)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A foreign web site: the folder that it serves, and its URL."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    yield folder, f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def client(cloud: engine.Cloud, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id=cloud.credentials.access_key_id,
        aws_secret_access_key=cloud.credentials.secret_access_key,
        config=Config(signature_version="s3v4") if service == "s3" else None,
    )


def stack(name: str, mark: Path, access_key: str) -> str:
    """An unsigned query that creates a stack whose custom resource runs code."""
    function = {
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"ZipFile": CODE},
    }
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
        "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
        "Run": {
            "Type": "Custom::Run",
            "Properties": {
                "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]},
                "Mark": str(mark),
            },
        },
    }
    return urlencode(
        {
            "Action": "CreateStack",
            "Version": "2010-05-15",
            "StackName": name,
            "Capabilities.member.1": "CAPABILITY_IAM",
            "TemplateBody": json.dumps({"Resources": resources}),
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{access_key}/20261130/us-east-1/cloudformation/aws4_request",
        }
    )


WAYS = {
    "image": "const i = new Image(); i.onload = i.onerror = () => done(); i.src = `${at}?${query}`;",
    "fetch": "fetch(`${at}?${query}`, {mode: 'no-cors'}).then(done, done);",
    "post": "fetch(at, {mode: 'no-cors', method: 'POST', headers: {'Content-Type':"
    " 'application/x-www-form-urlencoded'}, body: query}).then(done, done);",
    "text": "fetch(at, {mode: 'no-cors', method: 'POST', body: query}).then(done, done);",
    "beacon": "navigator.sendBeacon(at, new Blob([query], {type: 'text/plain'})); done();",
    "frame": "const f = document.createElement('iframe'); f.onload = () => done();"
    "f.src = `${at}?${query}`; document.body.append(f);",
    "script": "const s = document.createElement('script'); s.onload = s.onerror = () => done();"
    "s.src = `${at}?${query}`; document.body.append(s);",
    "style": "document.body.style.background = `url('${at}?${query}')`;",
    "events": "new EventSource(`${at}?${query}`);",
    "worker": "new Worker(URL.createObjectURL(new Blob([`importScripts('${at}?${query}')`])));",
    "ping": "const a = document.createElement('a'); a.href = '#x'; a.ping = `${at}?${query}`;"
    "document.body.append(a); a.click();",
    "prefetch": "const s = document.createElement('script'); s.type = 'speculationrules';"
    "s.text = JSON.stringify({prefetch: [{source: 'list', urls: [`${at}?${query}`]}]});"
    "document.body.append(s);",
    "text form": "const f = document.createElement('form'); f.action = at; f.method = 'post';"
    "f.enctype = 'text/plain'; const e = document.createElement('input'); e.name = query;"
    "f.append(e); document.body.append(f); f.submit();",
    "link": "location.href = `${at}?${query}`;",
    "form": "const f = document.createElement('form'); f.action = at; f.method = 'post';"
    "for (const [k, v] of new URLSearchParams(query)) { const e = document.createElement('input');"
    "e.name = k; e.value = v; f.append(e); } document.body.append(f); f.submit();",
}


ENDS = ("requestfinished", "requestfailed")
"""How requests end: as failed ones, where the browser drops the answer."""


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("way", WAYS)
def test_no_page_runs_code_in_the_local_cloud(
    way: str, page: Any, cloud: engine.Cloud, site: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = site
    mark = tmp_path / "mark"
    queries = [
        stack(f"from-a-{way}", mark, key) for key in ("test", cloud.credentials.access_key_id)
    ]
    ended: list[Any] = []

    def note(request: Any) -> None:
        if request.url.startswith(cloud.endpoint):
            ended.append(request)

    for event in ENDS:
        page.on(event, note)
    for number, query in enumerate(queries):
        script = f"const at = '{cloud.endpoint}/', query = {json.dumps(query)}, done = () => 0;"
        (folder / f"{number}.html").write_text(
            f"<!doctype html><body><script>{script}{WAYS[way]}</script>"
        )
        page.goto(f"{address}/{number}.html", wait_until="commit")
        deadline = time.monotonic() + 10
        while len(ended) <= number:
            assert time.monotonic() < deadline, "the page did not ask the local cloud"
            page.wait_for_timeout(20)
    answers = [request.response() for request in ended if not request.failure]
    statuses = {answer.status for answer in answers if answer}
    page.goto("about:blank")
    for event in ENDS:
        page.remove_listener(event, note)

    assert statuses <= {403}
    stacks = client(cloud, "cloudformation").list_stacks()["StackSummaries"]
    assert [one["StackName"] for one in stacks] == []
    assert not mark.exists()


def test_a_page_shows_photos_by_presigned_links(
    browser: Any, cloud: engine.Cloud, tmp_path: Path
) -> None:
    (photo,) = albums.painted(tmp_path, 1)
    picture = next(tmp_path.rglob("*.jpg")).read_bytes()
    s3 = client(cloud, "s3")
    s3.create_bucket(Bucket="photos")
    s3.put_object(Bucket="photos", Key="a b.jpg", Body=picture, ContentType="image/jpeg")
    params = {"Bucket": "photos", "Key": "a b.jpg"}
    link = s3.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
    unsigned = link.partition("?")[0]
    page = tmp_path / "page.html"
    page.write_text(f'<!doctype html><img src="{link}"><img src="{unsigned}">')
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(page.as_uri(), wait_until="load")
    widths = opened.evaluate("[...document.images].map(each => each.naturalWidth)")
    context.close()

    assert photo
    assert widths[0] > 0
    assert widths[1] == 0
