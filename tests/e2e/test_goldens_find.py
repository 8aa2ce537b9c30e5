"""What the commands print that find photos and look at them, whole, in each output mode.

As test_goldens.py, which says how to write the files anew; a session and a stack of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import User, clean_environment
from tests.e2e.goldens import PIPED, Step, cases, compare, play, printed, run
from tests.e2e.pipeline import stop_the_function
from tests.e2e.warm import WarmLabelctl

Client = Callable[[str], Any]

STOP_FUNCTION = "(stop the function)"


def writing(name: str, words: str, **more: Any) -> Step:
    """A step of a command whose -o says where to write."""
    return Step(name, words, output="--output", **more)


STEPS = [
    Step("search-empty", "search dog", PIPED),
    Step("images-empty", "images", PIPED),
    Step("stats-empty", "stats", PIPED, then="(upload)"),
    Step("search", "search gray"),
    Step("search-all", "search person face"),
    Step("search-any", "search --any person maroon"),
    Step("search-not", "search gray --not black", PIPED),
    Step("search-category", "search --category 'colors and visual composition'"),
    Step("search-none", "search person gray --min-confidence 70 --prefix day/", PIPED),
    Step("search-more", "search gray --limit 1", ("plain",)),
    Step("search-near", "search grey", PIPED),
    Step("search-unknown", "search zebra", PIPED),
    Step("search-unknown-category", "search --category color", PIPED),
    Step("search-not-unknown", "search gray --not zebra", PIPED),
    Step("images", "images"),
    Step("images-failed", "images --status failed"),
    Step("images-more", "images --limit 2", PIPED),
    Step("images-none", "images --prefix nix/", PIPED),
    Step("stats", "stats"),
    Step("stats-prefix", "stats --prefix day/", PIPED),
    writing("export", "export --prefix day/", modes=PIPED),
    writing("export-file", "export -o MODE.csv", modes=PIPED),
    writing("export-format", "export -o MODE.txt", modes=PIPED),
    writing("show", "show astronaut.png -o MODE.png"),
    writing("show-failed", "show bad.jpg", modes=PIPED),
    writing("show-not-found", "show never.jpg", modes=PIPED),
    writing("show-not-ours", "show astronaut.png -o theirs.jpg", modes=PIPED),
    writing("show-terminal", "show astronaut.png --terminal", modes=PIPED),
    writing("gallery", "gallery"),
    writing("gallery-search", "gallery --search person -o one-MODE", modes=PIPED),
    writing("gallery-embed", "gallery --embed -o MODE.html", modes=PIPED),
    writing("gallery-presign", "gallery --presign 7d -o links-MODE", modes=PIPED),
    writing("gallery-not-ours", "gallery -o theirs", modes=PIPED),
    Step("images-waiting", "images --status waiting", first=STOP_FUNCTION),
    Step("stats-waiting", "stats --prefix w", ("plain",)),
]

USAGE = {
    "search-nothing": "search",
    "bad-sort": "search dog --sort oldest",
    "bad-status": "images --status done",
    "bad-age": "gallery --presign 8d",
}
STEPS += [
    Step(f"usage-{name}", words, PIPED, free=True, output="--output")
    for name, words in USAGE.items()
]

CASES = cases(STEPS)


@pytest.fixture(scope="module")
def someone(home: Path, warm: WarmLabelctl, tmp_path_factory: pytest.TempPathFactory) -> User:
    """A user in an empty folder, with a local cloud that may not run yet."""
    env = {"LABELCTL_LOCAL": "1", "LABELCTL_STACK": "golden-find", "TZ": "UTC"}
    folder = tmp_path_factory.mktemp("goldens")
    return User(clean_environment(home) | env, folder, warm=warm)


@pytest.fixture(scope="module")
def session(
    cloud: User, someone: User, client: Client, photographs: Path
) -> Iterator[dict[str, str]]:
    """What each case of the session printed."""
    folder = someone.folder
    (folder / "day").mkdir()
    (folder / "theirs").mkdir()
    (folder / "theirs" / "taxes.txt").write_text("mine")
    rocket, cat = (
        (photographs / "rocket.jpg").read_bytes(),
        (photographs / "chelsea.png").read_bytes(),
    )
    for name in ("day/a <b>.jpg", "waits.jpg", "theirs.jpg"):
        (folder / name).write_bytes(rocket)
    (folder / "day" / "cat.png").write_bytes(cat)
    for name in ("astronaut.png", "coffee.png"):
        (folder / name).write_bytes((photographs / name).read_bytes())

    def prepare(words: str, mode: str) -> None:
        if not words or mode != "plain":
            return
        if words == STOP_FUNCTION:
            stop_the_function(someone, client)
            someone("upload", "waits.jpg")
        else:
            someone("upload", "day", "--prefix", "day/", "--wait")
            someone("upload", "astronaut.png", "coffee.png", "--wait")
            bucket = someone.outputs["PhotosBucket"]
            client("s3").put_object(Bucket=bucket, Key="bad.jpg", Body=b"GIF89a")
            someone("labels", "bad.jpg", "--wait", code=5)

    someone("deploy", "--quiet")
    yield play(someone, STEPS, prepare)
    run(someone, "destroy --yes")


@pytest.mark.parametrize("case", CASES)
def test_a_command_prints_what_it_printed(
    request: pytest.FixtureRequest, someone: User, case: str
) -> None:
    step, mode = CASES[case]
    answer = printed(someone, step, mode) if step.free else request.getfixturevalue("session")[case]
    compare(answer, case)
