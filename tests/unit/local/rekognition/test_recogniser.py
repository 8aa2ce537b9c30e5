"""The local recogniser's results for a client of DetectLabels: labels, boxes, properties."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.unit.recogniser_world import InProcess, allow, encode, photo, plain, rekognition

ASTRONAUT = "astronaut.png"


@pytest.fixture(scope="module")
def detect():
    """`detect(data, **parameters)` returns the response, with its labels also by name."""

    def refuse(place: Any) -> bytes:
        raise AssertionError(f"unexpected fetch of {place}")

    with rekognition(InProcess(), fetch=refuse, authorize=allow) as client:

        def detect(data: bytes, **parameters: Any) -> dict[str, Any]:
            answer = client.detect_labels(Image={"Bytes": data}, **parameters)
            answer["named"] = {label["Name"]: label for label in answer["Labels"]}
            return answer

        yield detect


def names(answer: dict[str, Any]) -> list[str]:
    return [label["Name"] for label in answer["Labels"]]


def overlaps(box: dict[str, float], left: float, top: float, right: float, bottom: float) -> float:
    """The share of `box` that is inside the given corners."""
    width = min(box["Left"] + box["Width"], right) - max(box["Left"], left)
    height = min(box["Top"] + box["Height"], bottom) - max(box["Top"], top)
    return max(width, 0) * max(height, 0) / (box["Width"] * box["Height"])


# The face in astronaut.png, measured manually, as ratios of the picture.
FACE = (0.33, 0.10, 0.55, 0.40)


def test_a_photo_of_a_person_shows_person_head_and_face_with_a_box_on_the_face(detect):
    seen = detect(photo(ASTRONAUT))["named"]

    assert {"Person", "Head", "Face"} <= seen.keys()
    (face,) = seen["Face"]["Instances"]
    assert overlaps(face["BoundingBox"], *FACE) > 0.9
    assert face["Confidence"] == seen["Face"]["Confidence"] > 55
    (head,) = seen["Head"]["Instances"]
    corners = face["BoundingBox"]
    right, bottom = corners["Left"] + corners["Width"], corners["Top"] + corners["Height"]
    area = corners["Width"] * corners["Height"]
    larger = head["BoundingBox"]["Width"] * head["BoundingBox"]["Height"]
    covered = overlaps(head["BoundingBox"], corners["Left"], corners["Top"], right, bottom)
    assert covered * larger == pytest.approx(area, rel=1e-3), "the face lies within the head"
    assert area < larger < 3 * area
    assert seen["Person"]["Instances"] == [head], "as much of the person as was seen"


def test_a_label_has_its_ancestors_categories_and_aliases(detect):
    seen = detect(photo(ASTRONAUT))["named"]

    assert seen["Face"]["Parents"] == [{"Name": "Head"}, {"Name": "Person"}]
    assert seen["Person"]["Parents"] == []
    assert seen["Person"]["Aliases"] == [{"Name": "Human"}]
    assert seen["Person"]["Categories"] == [{"Name": "Person Description"}]
    assert seen["Person"]["Confidence"] >= seen["Face"]["Confidence"]
    for label in seen.values():
        assert label.keys() == {
            "Name", "Confidence", "Instances", "Parents", "Aliases", "Categories"
        }  # fmt: skip


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png", "rocket.jpg"])
def test_a_photo_without_a_face_shows_none_but_has_a_colour(detect, name):
    seen = detect(photo(name))["named"]

    assert not {"Person", "Head", "Face"} & seen.keys()
    assert seen
    assert all(
        label["Categories"] == [{"Name": "Colors and Visual Composition"}]
        for label in seen.values()
    )


def test_a_qr_code_is_found_with_its_box(detect):
    import cv2

    payload = "https://example.com/photos"
    code = cv2.resize(
        cv2.QRCodeEncoder.create().encode(payload), (200, 200), interpolation=cv2.INTER_NEAREST
    )
    picture = Image.new("L", (800, 400), 255)
    picture.paste(Image.fromarray(code), (500, 100))

    seen = detect(encode(picture))["named"]

    (instance,) = seen["QR Code"]["Instances"]
    assert overlaps(instance["BoundingBox"], 500 / 800, 100 / 400, 700 / 800, 300 / 400) > 0.95
    assert instance["BoundingBox"]["Width"] > 0.2
    assert seen["QR Code"]["Categories"] == [{"Name": "Text and Documents"}]


@pytest.mark.parametrize("color", ["black", "teal", "gold", "orange", "white"])
def test_a_plain_picture_is_labelled_with_its_colour(detect, color):
    answer = detect(plain(color))

    assert names(answer) == [color.title()]
    assert answer["Labels"][0]["Confidence"] == 56  # colours rank after objects


def test_labels_are_sorted_by_confidence_then_by_name(detect):
    halves = Image.new("RGB", (200, 100), "red")
    halves.paste("blue", (0, 0, 100, 100))

    assert names(detect(encode(halves))) == ["Blue", "Red"]
    found = detect(photo(ASTRONAUT))["Labels"]
    assert found == sorted(found, key=lambda label: (-label["Confidence"], label["Name"]))


def test_min_confidence_and_max_labels_are_applied(detect):
    everything = detect(photo(ASTRONAUT))["Labels"]
    confidence = everything[0]["Confidence"]

    assert names(detect(photo(ASTRONAUT), MinConfidence=confidence)) == ["Face", "Head", "Person"]
    assert names(detect(photo(ASTRONAUT), MinConfidence=confidence + 1)) == []
    assert detect(photo(ASTRONAUT), MaxLabels=2)["Labels"] == everything[:2]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"LabelInclusionFilters": ["Face", "Silver"]}, {"Face", "Silver"}),
        ({"LabelExclusionFilters": ["Face"]}, {"Person", "Head", "Silver"}),
        ({"LabelCategoryInclusionFilters": ["Person Description"]}, {"Person", "Head", "Face"}),
        ({"LabelCategoryExclusionFilters": ["Person Description"]}, {"Silver"}),
        (
            {
                "LabelInclusionFilters": ["Silver"],
                "LabelCategoryInclusionFilters": ["Person Description"],
                "LabelExclusionFilters": ["Head"],
            },
            {"Person", "Face", "Silver"},
        ),
        ({"LabelInclusionFilters": ["face"]}, set()),
    ],
)
def test_filters_select_labels(detect, filters, expected):
    seen = detect(photo(ASTRONAUT), Settings={"GeneralLabels": filters})["named"].keys()

    assert seen == expected


def test_image_properties_use_css_colours(detect):
    picture = Image.new("RGB", (400, 300), (50, 80, 76))
    picture.paste((250, 5, 3), (0, 0, 100, 300))

    answer = detect(encode(picture), Features=["IMAGE_PROPERTIES"])

    assert answer["Labels"] == []
    first, second = answer["ImageProperties"]["DominantColors"]
    assert first == {
        "Red": 47, "Green": 79, "Blue": 79, "HexCode": "#2f4f4f", "CSSColor": "darkslategrey",
        "SimplifiedColor": "grey", "PixelPercent": 75.0,
    }  # fmt: skip
    assert (second["CSSColor"], second["PixelPercent"]) == ("red", 25.0)
    assert "Foreground" not in answer["ImageProperties"]


def test_quality_distinguishes_sharp_from_blurred_and_bright_from_dark(detect):
    def quality(picture: Image.Image) -> dict[str, float]:
        answer = detect(encode(picture), Features=["IMAGE_PROPERTIES"])
        values = answer["ImageProperties"]["Quality"]
        assert values.keys() == {"Brightness", "Sharpness", "Contrast"}
        assert all(0 <= value <= 100 for value in values.values())
        return values

    noise = np.random.default_rng(7).integers(0, 256, (200, 200), dtype=np.uint8)
    sharp = Image.fromarray(noise)
    soft = sharp.resize((20, 20)).resize((200, 200))

    assert quality(sharp)["Sharpness"] > quality(soft)["Sharpness"] + 20
    assert quality(sharp)["Contrast"] > quality(soft)["Contrast"]
    assert quality(Image.new("L", (100, 100), 255))["Brightness"] == 100
    assert quality(Image.new("L", (100, 100), 0))["Brightness"] == 0


def test_foreground_is_inside_the_boxes_and_background_outside(detect):
    both = ["GENERAL_LABELS", "IMAGE_PROPERTIES"]
    properties = detect(photo(ASTRONAUT), Features=both)["ImageProperties"]

    assert properties["Foreground"]["DominantColors"] != properties["Background"]["DominantColors"]
    assert properties["Foreground"]["Quality"].keys() == {"Brightness", "Sharpness"}


def test_max_dominant_colors_is_applied(detect):
    def colors(most: int) -> int:
        answer = detect(
            photo("coffee.png"),
            Features=["IMAGE_PROPERTIES"],
            Settings={"ImageProperties": {"MaxDominantColors": most}},
        )
        return len(answer["ImageProperties"]["DominantColors"])

    assert [colors(0), colors(1), colors(2)] == [0, 1, 2]


def face_center(answer: dict[str, Any]) -> tuple[float, float]:
    (face,) = answer["named"]["Face"]["Instances"]
    box = face["BoundingBox"]
    return box["Left"] + box["Width"] / 2, box["Top"] + box["Height"] / 2


def test_boxes_refer_to_the_upright_picture(detect):
    with Image.open(BytesIO(photo(ASTRONAUT))) as image:
        upright = image.convert("RGB").crop((0, 0, 512, 400))
    expected = face_center(detect(encode(upright, "JPEG", quality=95)))
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn clockwise to see it upright"

    turned = detect(encode(lying, "JPEG", quality=95, exif=exif))

    assert face_center(turned) == pytest.approx(expected, abs=0.02)
    assert "Face" not in detect(encode(lying, "JPEG", quality=95))["named"]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # a warning of Pillow
def test_a_damaged_exif_block_does_not_matter(detect):
    with Image.open(BytesIO(photo(ASTRONAUT))) as image:
        data = encode(image.convert("RGB"), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffbroken")

    assert "Face" in detect(data)["named"]


def gray_ramp(bits: int, width: int) -> Image.Image:
    ramp = np.linspace(0, 2**bits - 1, width).astype(np.uint16 if bits == 16 else np.uint8)
    return Image.fromarray(np.tile(ramp, (200, 1)))


@pytest.mark.parametrize("width", [300, 9000])
def test_a_16_bit_grey_png_gives_the_same_result_as_8_bit(detect, width):
    ask = ["IMAGE_PROPERTIES"]
    deep = detect(encode(gray_ramp(16, width)), Features=ask)["ImageProperties"]
    flat = detect(encode(gray_ramp(8, width)), Features=ask)["ImageProperties"]

    assert deep["Quality"]["Brightness"] == pytest.approx(flat["Quality"]["Brightness"], abs=1)
    assert deep["Quality"]["Contrast"] == pytest.approx(flat["Quality"]["Contrast"], abs=1)


def as_modes() -> dict[str, bytes]:
    red = Image.new("RGB", (100, 100), "red")
    clear = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    clear.paste((255, 0, 0, 255), (0, 0, 60, 100))
    return {
        "cmyk jpeg": encode(red.convert("CMYK"), "JPEG"),
        "palette png": encode(red.convert("P", palette=Image.Palette.ADAPTIVE)),
        "palette png with alpha": encode(clear.quantize(8)),
        "alpha png": encode(clear),
        "large palette png": encode(red.resize((6000, 500)).convert("P")),
        "several pictures in one jpeg": encode(red, "MPO", save_all=True, append_images=[red]),
    }


@pytest.mark.parametrize("mode", as_modes())
def test_every_mode_of_jpeg_and_png_keeps_its_colours(detect, mode):
    answer = detect(as_modes()[mode])

    assert "Red" in names(answer)
    assert "Black" not in names(answer), "what is transparent has no colour"


def test_a_grey_png_with_alpha_and_a_two_colour_png_can_be_read(detect):
    gray = Image.new("LA", (100, 100), (128, 255))
    dots = Image.fromarray(np.indices((2560, 2560)).sum(axis=0) % 2 == 0)

    assert names(detect(encode(gray))) == ["Gray"]
    assert names(detect(encode(dots))) == ["Gray"], "shrunk by averaging, not by dropping pixels"


def test_a_very_long_picture_can_be_read(detect):
    assert names(detect(plain("green", (10_000, 80)))) == ["Green"]
