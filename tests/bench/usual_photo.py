"""What DetectLabels answers about a usual photo, with any number of labels."""

from __future__ import annotations

import random
import struct
from typing import Any

_NAMES = """
Person|Face|Head|Outdoors|Nature|Landscape|Scenery|Beach|Coast|Shoreline|Sea|Water|Sky|Horizon|Sun|
Sunset|Summer|Dog|Canine|Pet|Animal|Mammal|Golden Retriever|Puppy|Plant|Tree|Palm Tree|Vegetation|
Grass|Lawn|Flower|Garden|Architecture|Building|House|Housing|City|Urban|Metropolis|Cityscape|
High Rise|Office Building|Tower|Bridge|Street|Road|Intersection|Car|Sports Car|Transportation|Vehicle|
Bicycle|Motorcycle|Machine|Wheel|Spoke|Alloy Wheel|Boat|Sailboat|Canoe|Train|Railway|Airplane|
Aircraft|Airport|Food|Meal|Lunch|Dessert|Cake|Fruit|Bread|Plate|Cup|Coffee Cup|Table|Dining Table|
Furniture|Chair|Couch|Bed|Indoors|Interior Design|Living Room|Kitchen|Electronics|Mobile Phone|
Computer|Laptop|Screen|Clothing|Footwear|Shoe|Hat|Sunglasses|Jacket|Photography|Portrait|Smile|Happy
"""
_CATEGORIES = (
    "Animals and Pets",
    "Nature and Outdoors",
    "Person Description",
    "Buildings and Architecture",
    "Transport and Logistics",
    "Food and Beverage",
)


def answer(labels: int, seed: int = 1) -> dict[str, Any]:
    """Labels with one category and one or two parents, some with an alias, every fourth with a box.

    Numbers are single-precision ones written with all digits, as Rekognition's are: 98.87621307373047.
    """
    chance = random.Random(seed)
    names = "".join(_NAMES.split("\n")).split("|")

    def number(low: float, high: float) -> float:
        found: float = struct.unpack("f", struct.pack("f", chance.uniform(low, high)))[0]
        return found

    found = []
    for place, name in enumerate(names[:labels]):
        confidence = number(55, 100)
        box = {side: number(0, 0.5) for side in ("Left", "Top", "Width", "Height")}
        parents = [names[(place + 1) % 100], names[(place + 2) % 100]][: 1 + place % 2]
        found.append(
            {
                "Name": name,
                "Confidence": confidence,
                "Categories": [{"Name": _CATEGORIES[place % len(_CATEGORIES)]}],
                "Parents": [{"Name": parent} for parent in parents],
                "Aliases": [{"Name": f"{name} Alias"}] if place % 6 == 0 else [],
                "Instances": [{"BoundingBox": box, "Confidence": confidence}]
                if place % 4 == 0
                else [],
            }
        )
    return {"Labels": found, "LabelModelVersion": "3.0"}
