"""What every command prints, whole, in each output mode: read tests/golden/ as a person would.

One session of one stack, in which each step's output is held against a file;
test_goldens_find.py has another, with the commands that find photos and look at them.
After a change of messages, write the files again and read the difference:

    UPDATE_GOLDENS=1 pytest tests/e2e/test_goldens*.py && git diff tests/golden
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import test_goldens_find
from tests.e2e.conftest import User, clean_environment
from tests.e2e.goldens import GOLDEN, MODES, PIPED, Step, cases, compare, play, printed, run
from tests.e2e.pipeline import stop_the_function
from tests.e2e.warm import WarmLabelctl
from tests.lambda_runtime import s3_record

Client = Callable[[str], Any]

NOT_RUNNING = {"LABELCTL_HOME": "/nonexistent/labelctl"}


def not_running(name: str, words: str) -> Step:
    return Step(name, words, PIPED, env=tuple(NOT_RUNNING.items()), free=True)


BAD_PHOTO, STOP_FUNCTION = "(put a bad photo)", "(stop the function)"
DEAD_LETTERS = "(put two dead letters)"

STEPS = [
    Step("status-not-deployed", "status", PIPED),
    Step("deploy-dry-run", "deploy --dry-run"),
    Step("deploy-new", "deploy", first="destroy --yes"),
    Step("deploy-unchanged", "deploy"),
    Step("deploy-changed", "deploy --image-properties --tag mode=MODE", PIPED),
    Step("deploy-changed-dry-run", "deploy --max-labels 7 --dry-run", ("plain",)),
    Step(
        "upload-mixed", "upload album nix.jpg --prefix MODE/", then="labels 'MODE/a b.jpg' --wait"
    ),
    Step("upload-again", "upload 'album/a b.jpg' --prefix MODE/", ("plain",)),
    Step("upload-nothing", "upload empty", PIPED),
    Step("deploy-plain-labels", "deploy --no-image-properties", modes=("plain",)),
    Step("upload-wait", "upload me.png --wait"),
    Step("upload-wait-mixed", "upload me.png album/text.jpg --wait", PIPED),
    Step("labels", "labels me.png"),
    Step("labels-with-properties", "labels 'plain/a b.jpg'", ("json",)),
    Step("labels-none", "labels me.png --min-confidence 99.5", PIPED),
    Step("labels-failed", "labels bad.jpg", PIPED, first=BAD_PHOTO),
    Step("labels-not-found", "labels never.jpg", PIPED),
    Step("labels-not-uploaded", "labels album/text.jpg", PIPED),
    Step("tail", "tail --no-follow"),
    Step("verify", "verify"),
    Step("failures-none", "failures --reason nothing", PIPED),
    Step("retry-nothing", "retry --reason nothing", PIPED),
    Step("retry-wait", "retry bad.jpg --wait", PIPED),
    Step("labels-waiting", "labels waits.jpg", PIPED, first=STOP_FUNCTION),
    Step("labels-timeout", "labels waits.jpg --wait --timeout 1", ("plain",)),
    Step("upload-timeout", "upload me.png waits.jpg --wait --timeout 1", ("plain",)),
    Step("status", "status"),
    Step("verify-waiting", "verify", PIPED),
    Step("verify-problems", "verify --overdue 0"),
    Step("failures", "failures", first=DEAD_LETTERS),
    Step("failures-more", "failures --limit 1", ("plain",)),
    Step("retry", "retry bad.jpg me.png waits.jpg"),
    Step("retry-not-found", "retry bad.jpg never.jpg", PIPED),
    Step("retry-all", "retry --all"),
    Step("failures-discard-refused", "failures --discard", PIPED),
    Step("failures-discard", "failures --discard --yes", PIPED),
    Step("verify-repair", "verify --overdue 0 --repair"),
    Step("quiet", "--quiet upload me.png", ("plain",)),
    Step("destroy-refused", "destroy", PIPED),
    Step("destroy-done", "destroy --yes", PIPED, first="deploy"),
    Step("destroy-nothing", "destroy --yes", PIPED),
    Step("package", "package --output-dir out", free=True),
    Step("package-impossible", "package --output-dir me.png/out", ("plain",)),
    Step("local-start", "local start", modes=PIPED),
    Step("local-status", "local status", modes=PIPED),
    Step("local-env", "local env", modes=PIPED),
    Step("local-reset-refused", "local reset", PIPED),
    not_running("local-status-not-running", "local status"),
    not_running("local-stop-not-running", "local stop"),
]

USAGE = {
    "no-command": "",
    "no-such-command": "uplaod a.jpg",
    "no-such-option": "labels a.jpg --wiat",
    "no-local-command": "local",
    "missing-argument": "labels",
    "bad-number": "labels a.jpg --min-confidence high",
    "out-of-range": "deploy --min-confidence 200",
    "bad-duration": "tail --since yesterday",
    "bad-retention": "deploy --log-retention 2",
    "bad-tag": "deploy --tag blue",
    "bad-stack": "status --stack 1_a",
    "bad-prefix": "upload a.jpg --prefix /holiday",
    "local-and-profile": "status --profile work",
    "retry-what": "retry",
    "bad-overdue": "verify --overdue -1",
    "retry-twice": "retry a.jpg --all",
    "discard-some": "failures --discard --reason x",
}
STEPS += [Step(f"usage-{name}", words, PIPED, free=True) for name, words in USAGE.items()]
STEPS += [Step("usage-bad-output", "status -o xml", ("",), free=True)]

COMMANDS = [
    *(
        "deploy",
        "upload",
        "labels",
        "status",
        "tail",
        "failures",
        "retry",
        "verify",
        "rm",
        "search",
        "images",
        "stats",
        "export",
        "show",
        "gallery",
        "destroy",
        "package",
        "completion",
    ),
    *("demo", "local"),
]
HELP = ["", *COMMANDS, *(f"local {name}" for name in ("start", "stop", "status", "reset", "env"))]
STEPS += [
    Step(
        f"help{'-' if words else ''}{words.replace(' ', '-')}", f"{words} --help", ("",), free=True
    )
    for words in HELP
]

CASES = cases(STEPS)


@pytest.fixture(scope="module")
def someone(home: Path, warm: WarmLabelctl, tmp_path_factory: pytest.TempPathFactory) -> User:
    """A user in an empty folder, with a local cloud that may not run yet."""
    env = {"LABELCTL_LOCAL": "1", "LABELCTL_STACK": "golden", "TZ": "UTC"}
    folder = tmp_path_factory.mktemp("goldens")
    return User(clean_environment(home) | env, folder, warm=warm)


@pytest.fixture(scope="module")
def session(
    cloud: User, someone: User, client: Client, photographs: Path
) -> Iterator[dict[str, str]]:
    """What each case of the session printed."""
    folder = someone.folder
    (folder / "album").mkdir()
    (folder / "empty").mkdir()
    rocket = (photographs / "rocket.jpg").read_bytes()
    (folder / "album" / "a b.jpg").write_bytes(rocket)
    (folder / "waits.jpg").write_bytes(rocket)
    (folder / "album" / "loop.gif").write_bytes(b"GIF89a")
    (folder / "album" / "text.jpg").write_text("hello")
    (folder / "me.png").write_bytes((photographs / "astronaut.png").read_bytes())

    def prepare(words: str, mode: str) -> None:
        if words in (BAD_PHOTO, STOP_FUNCTION, DEAD_LETTERS):
            if mode != MODES[0]:
                return
            if words == STOP_FUNCTION:
                stop_the_function(someone, client)
                someone("upload", "waits.jpg")
            elif words == DEAD_LETTERS:
                put_dead_letters(someone, client)
            else:
                bucket = someone.outputs["PhotosBucket"]
                client("s3").put_object(Bucket=bucket, Key="bad.jpg", Body=b"GIF89a")
                someone("labels", "bad.jpg", "--wait", code=5)
        elif words:
            run(someone, words.replace("MODE", mode))

    yield play(someone, STEPS, prepare)
    run(someone, "destroy --yes")


def put_dead_letters(user: User, client: Client) -> None:
    queue = user("status", "-o", "json").json["outputs"]["DeadLetterQueue"]
    photo = s3_record("holiday/[bold].jpg", "5", versionId="v", eTag="e")
    for body, error, reason in (
        ("hello", "NotAnEvent", "Expecting value: line 1 column 1 (char 0)"),
        (json.dumps({"Records": [photo]}), "AccessDenied", "The function may not do that."),
    ):
        answer = {"error": error, "reason": reason}.items()
        client("sqs").send_message(
            QueueUrl=queue,
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": text} for name, text in answer
            },
        )


@pytest.mark.parametrize("case", CASES)
def test_a_command_prints_what_it_printed(
    request: pytest.FixtureRequest, someone: User, case: str
) -> None:
    step, mode = CASES[case]
    answer = printed(someone, step, mode) if step.free else request.getfixturevalue("session")[case]
    compare(answer, case)


def test_no_golden_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {*CASES, *test_goldens_find.CASES}
