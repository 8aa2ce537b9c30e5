"""Untrusted text stays text, and foreign scripts do not run."""

from __future__ import annotations

import json
import re

import pytest

from labelctl.render.gallery import page as gallery_page
from tests.browser.albums import album, photo
from tests.browser.conftest import DOT, Show, injected

HOSTILE = (
    "<script>document.title='ran'</script>.jpg",
    "</script><img src=x onerror=document.title='ran'>.jpg",
    "\" onload=\"document.title='ran'\" '.jpg",
    "<!-- <script> ]]> -->.jpg",
    "{{data}}{{script}}{{blocks}}.jpg",
    "photo\u202egpj.exe",
    "one\ntwo\r\nthree\u2028four.jpg",
    "half a pair \ud800.jpg",
    "javascript:document.title='ran'",
    "x" * 1000 + ".jpg",
    "constructor",
    "__proto__",
)


def test_hostile_names_and_labels_are_text(show: Show) -> None:
    kinds = {name: name for name in HOSTILE}
    photos = [
        photo(
            name,
            [(each, 90.0, [(0.1, 0.1, 0.5, 0.5)]) for each in HOSTILE],
            thumb=DOT,
            full=DOT,
            reason=name,
        )
        for name in HOSTILE
    ]
    photos += [photo(f"b{name}", status="failed", reason=name) for name in HOSTILE]
    result = {"query": HOSTILE[0], "prefix": HOSTILE[1], "stack": HOSTILE[3]}
    opened = show(album(photos, kinds=kinds, **result))
    opened.settles(f"{len(HOSTILE)} photos, {len(HOSTILE)} failed")
    for name in HOSTILE[:3]:
        assert opened.option("labels", name).count() == 1
        opened.page.get_by_role("searchbox").fill(name)
        assert name in opened.names()
    opened.page.get_by_role("searchbox").fill("")
    opened.tiles.first.click()
    for _ in photos:
        opened.page.keyboard.press("ArrowRight")
    opened.leave_photo()
    opened.option("labels", HOSTILE[0]).click()
    assert opened.page.title() != "ran"
    assert opened.page.locator("script").count() == 2
    assert (
        opened.page.locator("main img, dialog img").count()
        == opened.page.locator("main .tile img").count() + 2
    )
    # None of it widens the page, turns its direction or breaks its lines.
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "photo\ufffdgpj.exe" in " ".join(opened.names())
    assert not re.search("[\u202e\r]", opened.page.locator("body").inner_text())


@pytest.mark.parametrize(
    ("markup", "directive"),
    [
        ("<script>document.title = 'ran'</script>", "script-src"),
        ("<img src=nothing.png onerror=\"document.title = 'ran'\">", "script-src"),
        ("<script src=other.js></script>", "script-src"),
        ("<style>body { display: none }</style>", "style-src"),
        ("<img src=http://127.0.0.1:9/spy.png>", "img-src"),
        ("<iframe src=http://127.0.0.1:9/></iframe>", "default-src"),
        ("<link rel=stylesheet href=other.css>", "style-src"),
    ],
)
def test_foreign_scripts_and_styles_are_blocked(show: Show, markup: str, directive: str) -> None:
    opened = show(injected(gallery_page.render(album([photo("a.jpg")])), markup))
    opened.settles("1 photo")
    opened.page.wait_for_load_state()
    assert opened.page.title() == "Photos · labelctl"
    assert opened.page.locator("body").is_visible()
    assert any("Content Security Policy" in each and directive in each for each in opened.said)
    opened.said.clear()
    # What was refused never left: the browser names it as a request, and answers it itself.
    opened.requests[:] = [url for url in opened.requests if "127.0.0.1:9/" not in url]


def test_no_markup_can_be_made_of_text(show: Show) -> None:
    opened = show(album([photo("a.jpg")]))
    with pytest.raises(Exception, match="TrustedHTML"):
        opened.page.evaluate("document.querySelector('h1').innerHTML = '<b>made</b>'")
    assert opened.page.locator("h1").inner_text() == "Photos"
    opened.said.clear()


def test_the_policy_allows_the_given_hosts() -> None:
    result = album([photo("a.jpg", thumb=DOT)])
    page = gallery_page.render(result, image_hosts=["https://photos.s3.eu-central-1.amazonaws.com"])
    policy = re.search('Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    directives = dict(each.split(" ", 1) for each in policy[1].split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["img-src"].endswith(" data: https://photos.s3.eu-central-1.amazonaws.com")
    assert "unsafe" not in policy[1]
    for odd in (
        "https://x/y",
        "https://x; script-src *",
        "*",
        'https://x" onload="',
        "file:",
        "https://x\n",
    ):
        with pytest.raises(ValueError, match="is not an origin"):
            gallery_page.render(result, image_hosts=[odd])


def test_the_data_comes_back_as_it_was() -> None:
    result = album([photo(name, [(name, 90.0, [])]) for name in HOSTILE])
    page = gallery_page.render(result)
    text = re.search('<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert text
    assert json.loads(text[1]) == result
    assert not set(text[1]) & set("<>&")
    assert text[1].isascii()


def test_data_that_is_not_json_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        gallery_page.render(album([photo("a.jpg", [("Dog", float("nan"), [])])]))


# ---- all in one file


def test_pictures_inside_the_page(show: Show) -> None:
    result = album([photo("a.jpg"), photo("b.jpg")])
    for number, each in enumerate(result["photos"]):
        each["thumb"], each["full"] = {"block": f"t{number}"}, {"block": f"p{number}"}
    blocks = [(f"{kind}{number}", DOT) for number in (0, 1) for kind in "tp"]
    opened = show("".join(gallery_page.pieces(result, blocks=blocks)))
    opened.until("document.querySelectorAll('.tile.loaded').length === 2")
    opened.tiles.first.click()
    opened.page.locator(".frame.loaded").wait_for()
    assert [url for url in opened.requests if url.startswith("file:")] == [
        opened.page.url.split("#")[0]
    ]


@pytest.mark.parametrize(
    "block",
    [
        ("p1", "data:image/png;base64,</script><script>1</script>"),
        ("p1", "data:text/html;base64,AAAA"),
        ("p1", DOT + "\n"),
        ('p1" src="x', DOT),
    ],
)
def test_a_block_is_a_picture(block: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="is not the data: URL of a picture"):
        "".join(gallery_page.pieces(album([]), blocks=[block]))
