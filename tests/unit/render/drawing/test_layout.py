"""Placing name tags: without overlaps, inside the picture, next to their boxes."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from labelctl.render.drawing.layout import Rect, place

WITHIN = Rect(3, 2, 27, 22)


@st.composite
def rects(draw):
    left, top = draw(st.integers(3, 26)), draw(st.integers(2, 21))
    return Rect(left, top, draw(st.integers(left + 1, 27)), draw(st.integers(top + 1, 22)))


TAGS = st.lists(st.tuples(rects(), st.tuples(st.integers(1, 14), st.integers(1, 9))), max_size=12)


def placed(tags, gap=0, max_share=1.0):
    return place([box for box, _ in tags], [size for _, size in tags], WITHIN, gap, max_share)


def overlap(one, other, gap=0):
    shared = one.grown(gap).intersection(other)
    return shared.width > 0 and shared.height > 0


def room(size, others, gap):
    """Whether there is any free place, by trying all."""
    width, height = size
    spots = (
        Rect(x, y, x + width, y + height)
        for x in range(WITHIN.left, WITHIN.right - width + 1)
        for y in range(WITHIN.top, WITHIN.bottom - height + 1)
    )
    return any(not any(overlap(spot, other, gap) for other in others) for spot in spots)


@given(TAGS, st.integers(0, 3))
def test_tags_lie_within_and_never_over_each_other(tags, gap):
    found = placed(tags, gap)
    for tag, (_, (width, height)) in zip(found, tags, strict=True):
        assert tag is None or (tag.width, tag.height) == (width, height)
        assert tag is None or tag.intersection(WITHIN) == tag
    for one, other in combinations(filter(None, found), 2):
        assert not overlap(one, other, gap)


@given(TAGS, st.integers(0, 2))
def test_while_there_is_room_each_tag_has_a_place(tags, gap):
    found = placed(tags, gap)
    for number, (tag, (_, size)) in enumerate(zip(found, tags, strict=True)):
        others = [each for each in found[:number] if each]
        assert (tag is not None) == room(size, others, gap)


@given(rects(), st.integers(1, 14), st.integers(1, 9))
def test_the_first_tag_touches_its_box(box, width, height):
    (tag,) = placed([(box, (width, height))])
    assert tag.distance(box) == 0


@given(TAGS)
def test_they_cover_no_more_than_they_may(tags):
    assert sum(tag.area for tag in placed(tags, max_share=0.2) if tag) <= 0.2 * WITHIN.area


def test_the_usual_place_is_above():
    box = Rect(8, 12, 20, 20)
    assert placed([(box, (6, 3))]) == [Rect(8, 9, 14, 12)]


def test_at_the_upper_edge_it_is_within_or_below():
    (tag,) = placed([(Rect(8, 2, 20, 20), (6, 3))])
    assert tag == Rect(8, 2, 14, 5)  # it hides little of a large box
    (tag,) = placed([(Rect(8, 2, 12, 5), (4, 3))])
    assert tag.top >= 5 or tag.left >= 12  # and all of a small one


def test_at_the_right_edge_it_is_moved_in():
    assert placed([(Rect(24, 12, 27, 20), (10, 3))]) == [Rect(17, 9, 27, 12)]


def test_it_rather_does_not_hide_another_box():
    box, small = Rect(8, 12, 20, 20), Rect(8, 9, 14, 12)
    (tag, _) = placed([(box, (6, 3)), (small, (6, 3))])
    assert not overlap(tag, small)


def test_where_all_near_places_are_taken_the_nearest_free_one_is_found():
    box = Rect(10, 10, 16, 13)
    found = placed([(box, (6, 3))] * 14)
    assert all(found)
    assert max(tag.distance(box) for tag in found) <= 6


def test_what_is_too_large_has_no_place():
    assert placed([(Rect(8, 12, 20, 20), (25, 3)), (Rect(8, 12, 20, 20), (6, 3))])[0] is None
