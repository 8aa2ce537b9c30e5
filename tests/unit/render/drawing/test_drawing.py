"""Drawing labels on a photo: positions, colours, and the strip below."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw

from labelctl.labels.results import Box, Label
from labelctl.render import pictures
from labelctl.render.drawing import annotate, canvas, palette
from labelctl.render.drawing.canvas import Canvas
from labelctl.render.drawing.layout import Rect
from tests.unit.picture_files import STORED, near, turned_file


def label(name, *boxes, confidence=90.0):
    drawn = tuple(Box(*box, confidence) for box in boxes)
    return Label(name, confidence, (), (), (), drawn)


def photo(width=800, height=600, color="white"):
    return Image.new("RGB", (width, height), color)


class Watched(Canvas):
    """A canvas that records what it draws, and where."""

    def __init__(self, canvas):
        super().__init__(canvas)
        self.frames, self.chips, self.leaders = [], [], []
        Watched.last = self

    def frame(self, at, color):
        self.frames.append((at, color))
        super().frame(at, color)

    def leader(self, tag, box, color):
        self.leaders.append((tag, box))
        super().leader(tag, box, color)

    def chip(self, at, text, fill):
        self.chips.append((at, text, fill))
        super().chip(at, text, fill)


@pytest.fixture
def watched(monkeypatch):
    """Draw, and return the canvas."""
    monkeypatch.setattr(annotate, "Canvas", Watched)

    def drawn(picture, labels, note=""):
        annotate.draw(picture, labels, note)
        return Watched.last

    return drawn


def texts(canvas):
    return [" ".join(text).strip() for _, text, _ in canvas.chips]


# ---- boxes


@pytest.mark.parametrize("orientation", STORED)
def test_boxes_match_the_ratios_in_every_orientation(orientation):
    upright = photo(800, 600)
    ImageDraw.Draw(upright).rectangle((200, 120, 359, 419), fill="black")
    picture = pictures.decode(turned_file(upright, orientation), 800)

    drawn = annotate.draw(picture, [label("Door", (0.25, 0.2, 0.2, 0.5))])

    (annotation,) = annotate.merged_boxes([label("Door", (0.25, 0.2, 0.2, 0.5))])
    for x, y in ((200, 300), (359, 300), (280, 419)):  # the name is above
        assert near(drawn.getpixel((x, y)), annotation.color, 3)
    assert near(drawn.getpixel((280, 270)), (0, 0, 0))
    for x, y in ((190, 300), (369, 300), (280, 429)):
        assert near(drawn.getpixel((x, y)), (255, 255, 255))


def test_boxes_that_leave_the_picture_end_at_its_edges():
    whole = Rect(10, 20, 110, 70)
    assert annotate.frame(Box(-0.1, 0.5, 0.3, 0.7, 90), whole) == Rect(10, 45, 30, 70)
    assert annotate.frame(Box(0, 0, 1, 1, 90), whole) == whole


SIDE = st.floats(-0.2, 1.2)


@given(SIDE, SIDE, st.floats(0, 1.2), st.floats(0, 1.2), st.integers(1, 12))
def test_every_box_is_within_the_picture_and_can_be_seen(left, top, width, height, least):
    whole = Rect(0, 0, 640, 480)
    found = annotate.frame(Box(left, top, width, height, 90), whole, least)
    assert found.intersection(whole) == found
    assert found.width >= least
    assert found.height >= least
    if left >= 0 and left + width <= 1 and width * 640 > least + 1:
        assert abs(found.left - left * 640) <= 0.5
        assert abs(found.right - (left + width) * 640) <= 0.5


def test_equal_boxes_are_drawn_once(watched):
    same = (0.2, 0.2, 0.5, 0.6)
    nearly = (0.205, 0.2, 0.5, 0.6)
    people = [
        label("Person", same),
        label("Adult", nearly),
        label("Man", same),
        label("Hat", (0.3, 0.1, 0.2, 0.2)),
    ]
    canvas = watched(photo(), people)
    assert texts(canvas) == ["Person, Adult, Man 90 %", "Hat 90 %"]
    assert len(canvas.frames) == 2


def test_two_boxes_of_one_label_are_two(watched):
    canvas = watched(
        photo(), [label("Person", (0.1, 0.1, 0.3, 0.8), (0.1, 0.1, 0.3, 0.8), (0.6, 0.1, 0.3, 0.8))]
    )
    assert texts(canvas) == ["Person 90 %"] * 3
    assert len({color for _, color in canvas.frames}) == 1


def test_small_boxes_are_drawn_over_large_ones(watched):
    canvas = watched(
        photo(), [label("Face", (0.4, 0.4, 0.1, 0.1)), label("Person", (0.1, 0.1, 0.8, 0.8))]
    )
    areas = [at.area for at, _ in canvas.frames]
    assert areas == sorted(areas, reverse=True)


# ---- names


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
BOXES = st.tuples(SIDE, SIDE, st.floats(0, 1), st.floats(0, 1))
LABELS = st.lists(
    st.tuples(NAMES, st.lists(BOXES, max_size=4)), max_size=12, unique_by=lambda each: each[0]
)


@given(LABELS, st.integers(80, 700), st.integers(80, 700), st.text(max_size=80))
def test_names_do_not_overlap_and_stay_inside(labels, width, height, note):
    found = [label(name, *boxes) for name, boxes in labels]
    annotate.Canvas = Watched
    try:
        drawn = annotate.draw(photo(width, height), found, note)
    finally:
        annotate.Canvas = Canvas
    chips = [at for at, _, _ in Watched.last.chips]
    whole = Rect(0, 0, *drawn.size)
    assert all(at.intersection(whole) == at for at in chips)
    assert not any(one.intersection(other).area for one, other in combinations(chips, 2))
    assert len(Watched.last.frames) == len(annotate.merged_boxes(found))


def test_a_distant_name_has_a_line_to_its_box(watched):
    crowded = [label(f"Thing {n}", (0.4 + n * 0.012, 0.4, 0.01, 0.01)) for n in range(10)]
    canvas = watched(photo(1600, 1200), crowded)
    tags = [at for at, _, _ in canvas.chips]
    boxes = [annotate.frame(each.boxes[0], Rect(0, 0, 1600, 1200)) for each in crowded]
    apart = {tag for tag, box in zip(tags, boxes, strict=True) if tag.distance(box)}
    assert apart
    assert {tag for tag, _ in canvas.leaders} == apart


def test_of_a_crowd_some_are_named_and_the_others_counted(watched):
    boxes = [(x / 12, y / 9, 0.05, 0.07) for x in range(12) for y in range(9)]
    canvas = watched(photo(), [label("Person", *boxes)])
    *named, others = texts(canvas)
    assert set(named) == {"Person 90 %"}
    assert others == f"Person: {108 - len(named)} more boxes"
    assert len(canvas.frames) == 108


def test_boxes_without_a_tag_are_counted_in_the_strip():
    boxes = label("Face", (0, 0, 0.1, 0.1), (0.5, 0, 0.1, 0.1))
    one, two = annotate.merged_boxes([boxes])
    assert [text for text, _ in annotate._grouped([one, two], set())] == [("Face:", "2 boxes")]
    assert [text for text, _ in annotate._grouped([one], set())] == [("Face", "90 %")]
    assert [text for text, _ in annotate._grouped([one], {("Face",)})] == [("Face:", "1 more box")]


def test_labels_without_boxes_stand_below(watched):
    canvas = watched(
        photo(), [label("Dog", (0.1, 0.1, 0.5, 0.5)), label("Outdoors", confidence=87.6)]
    )
    places = dict(zip(texts(canvas), (at for at, _, _ in canvas.chips), strict=True))
    assert places["Outdoors 88 %"].top >= 600
    assert places["Dog 90 %"].bottom < 600


def test_a_note_goes_below_and_without_text_the_picture_is_unchanged():
    plain = photo()
    assert not ImageChops.difference(annotate.draw(plain, []), plain).getbbox()
    noted = annotate.draw(plain, [], "Could not be labelled: it is damaged. " * 9)
    assert noted.height > 650
    assert ImageChops.difference(noted.crop((0, 0, 800, 600)), plain).getbbox() is None


def test_of_a_thousand_labels_only_some_are_shown(watched):
    canvas = watched(photo(), [label(f"Thing {n}") for n in range(1000)])
    *some, rest = texts(canvas)
    assert rest == f"and {1000 - len(some)} more"
    assert annotate.draw(photo(), [label(f"Thing {n}") for n in range(1000)]).height <= 1300


@pytest.mark.parametrize(
    "name", ["x" * 300, "évil\n\x1b[31m", "Жук", "犬", "\u202e", "", "\U0001f600"]
)
def test_any_name_can_be_drawn_and_measured(watched, name):
    canvas = watched(photo(), [label(name, (0.1, 0.1, 0.5, 0.5))])
    ((at, text, _),) = canvas.chips
    assert at.width <= 600
    assert text[0].isprintable()
    assert text[0]


def test_without_a_font_for_them_letters_lose_their_accents(monkeypatch):
    monkeypatch.setattr(canvas, "_FONTS", ())
    canvas._font.cache_clear()
    assert canvas._font("Äpfel 犬", 15)[1] == "Apfel ?"
    canvas._font.cache_clear()


# ---- colours


def test_a_label_has_the_same_color_in_every_photo():
    dog, cat = label("Dog", (0, 0, 0.4, 0.4)), label("Cat", (0.5, 0.5, 0.4, 0.4))
    (alone,) = annotate.merged_boxes([dog])
    assert [
        annotation.color
        for annotation in annotate.merged_boxes([cat, dog])
        if annotation.names == ("Dog",)
    ] == [alone.color]
    (shouted,) = annotate.merged_boxes([label("DOG", (0, 0, 0.4, 0.4))])
    assert shouted.color == alone.color


def test_labels_of_a_photo_have_different_colors_as_long_as_there_are_any():
    labels = [label(f"Thing {n}", (n / 30, 0, 0.02, 0.4)) for n in range(24)]
    colors = [annotation.color for annotation in annotate.merged_boxes(labels)]
    assert len(set(colors[:12])) == 12
    assert all(colors.count(color) == 2 for color in palette.PALETTE)


@pytest.mark.parametrize("fill", [*palette.PALETTE, canvas.CHIP, (250, 250, 250), (0, 0, 0)])
def test_text_is_legible_on_every_color(fill):
    ink = palette.readable_on(fill)
    assert palette.contrast(ink, fill) >= 4.5
    assert palette.contrast(canvas._mixed(ink, fill, canvas._SOFTNESS), fill) >= 4.5


@pytest.mark.parametrize("ground", ["white", "black", *palette.PALETTE])
def test_a_frame_is_seen_on_every_ground(ground):
    picture = photo(color=ground)
    box = (0.25, 0.25, 0.5, 0.5)
    for name in ("Dog", "Cat", "Person"):
        drawn = annotate.draw(picture, [label(name, box)])
        across = {drawn.getpixel((x, 300)) for x in range(195, 210)}
        base = picture.getpixel((0, 0))
        assert max(palette.contrast(base, color) for color in across) >= 3


# ---- sizes


@pytest.mark.parametrize("size", [(80, 80), (10, 3), (80, 2000), (2048, 16), (300, 400)])
def test_on_a_small_picture_names_can_be_read_as_well(watched, size):
    canvas = watched(photo(*size), [label("Person", (0.1, 0.1, 0.8, 0.8))])
    assert texts(canvas) == ["Person 90 %"]
    assert canvas.size >= 15
    assert max(canvas.frames[0][0].width, canvas.frames[0][0].height) >= 0.8 * 640 - 1


def test_the_same_picture_looks_the_same_large_and_small(watched):
    labels = [label("Person", (0.2, 0.2, 0.5, 0.5))]
    small, large = watched(photo(1000, 750), labels), watched(photo(2000, 1500), labels)
    ((one, _, _),), ((other, _, _),) = small.chips, large.chips
    assert other.width == pytest.approx(2 * one.width, rel=0.15)


# ---- where pixels are coarse


def test_a_sketch_has_frames_only():
    labels = [label("Dog", (0.25, 0.25, 0.5, 0.5)), label("Outdoors")]
    picture = photo(80, 60)
    drawn = annotate.draw_outlines(picture, labels)
    ((names, confidence, color),) = annotate.legend(labels)
    assert (names, confidence) == ("Dog", 90)
    changed = ImageChops.difference(drawn, picture).convert("L").point(bool, "1")
    assert changed.getbbox() == (20, 15, 60, 45)
    assert drawn.getpixel((20, 15)) == drawn.getpixel((59, 44)) == color
    assert drawn.getpixel((21, 16)) == (255, 255, 255)


def test_a_picture_is_made_to_fit():
    assert annotate.scale_to_fit(photo(800, 600), (80, 80)).size == (80, 60)
    assert annotate.scale_to_fit(photo(80, 60), (800, 200)).size == (267, 200)
    assert annotate.scale_to_fit(photo(800, 1), (80, 80)).size == (80, 1)
