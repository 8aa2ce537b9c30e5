"""Reading the names on the large picture, and checking their places."""

from __future__ import annotations

from itertools import combinations

from tests.browser.conftest import Opened

SIDES = "(({left, top, right, bottom}) => [left, top, right, bottom])(each.getBoundingClientRect())"
SEEN = f"""boxes => boxes.flatMap(box => {{
    const tag = box.firstElementChild;
    const sides = each => {SIDES};
    if (getComputedStyle(tag).opacity === "0") return [];
    return [{{name: tag.innerText, tag: sides(tag), box: sides(box)}}];
}})"""

Sides = list[float]


def wait_for_a_frame(opened: Opened) -> None:
    """Until the page has laid itself out for what changed, such as the size of its window."""
    opened.page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")


def seen(opened: Opened, within: str = ".stage") -> list[str]:
    """The names on the picture, when all of them are where they may be."""
    wait_for_a_frame(opened)
    found = opened.page.locator(".box").evaluate_all(SEEN)
    around = opened.page.locator(within).evaluate(f"each => {SIDES}")
    for each in found:
        assert inside(each["tag"], around), f"{each['name']} is cut off"
        assert gap(each["tag"], each["box"]) <= 5, f"{each['name']} is not at its box"
    for one, other in combinations(found, 2):
        assert gap(one["tag"], other["tag"]) > 0, f"{one['name']} covers {other['name']}"
    return [each["name"] for each in found]


def gap(one: Sides, other: Sides) -> float:
    """Pixels between two rectangles, to the side or upwards; negative where they intersect."""
    ways = (one[0] - other[2], other[0] - one[2], one[1] - other[3], other[1] - one[3])
    return max(ways)


def inside(one: Sides, around: Sides) -> bool:
    left, top, right, bottom = (far - near for far, near in zip(one, around, strict=True))
    return left >= 0 and top >= 0 and right <= 0 and bottom <= 0
