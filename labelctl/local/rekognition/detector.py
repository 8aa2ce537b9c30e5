"""Detects objects with boxes: people, animals, vehicles and other objects of COCO's 80 classes.

The network is Google's `ssd_mobilenet_v2_coco_2018_03_29`, a frozen TensorFlow graph, run by OpenCV.
It is the optional extra `detector`. Low scores are too optimistic: about half of the findings from
0.55 to 0.65 were wrong. So the confidence is the score raised to a power above 1, a heuristic: 0.65
becomes 55 %, 0.95 becomes 93 %.

The network works well for people and objects in natural scenes. It labels other objects as the most
similar of its 80 classes. On 119 photographs of buildings, animals and people, 6 of its 44 labels with
at least 55 % were wrong (a moose is a cow); on 183 cut-outs and landscapes, half of which show other
classes, 35 of 77 (a rambutan is a teddy bear). Animals that `merge` corrects with the classifier's
findings count as correct.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from labelctl.local.rekognition.models import Box, Finding
from labelctl.local.rekognition.taxonomy import label_info

_SIDE = 300  # pixels; pictures are stretched to a square, as in training
_MIN_SCORE = 0.35
_POWER = 1.4

# COCO's category ids, which have gaps: 80 of 90 planned classes were annotated.
_NAMES = {
    1: "person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant",
    13: "stop_sign parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe",
    27: "backpack umbrella",
    31: "handbag tie suitcase frisbee skis snowboard sports_ball kite baseball_bat baseball_glove "
    "skateboard surfboard tennis_racket bottle",
    46: "wine_glass cup fork knife spoon bowl banana apple sandwich orange broccoli carrot hot_dog "
    "pizza donut cake chair couch potted_plant bed",
    67: "dining_table",
    70: "toilet",
    72: "tv laptop mouse remote keyboard cell_phone microwave oven toaster sink refrigerator",
    84: "book clock vase scissors teddy_bear hair_drier toothbrush",
}
_LABELS = {
    first + offset: label_info(name)
    for first, names in _NAMES.items()
    for offset, name in enumerate(names.split())
}


class Detector:
    """A loaded detector. Not thread-safe."""

    def __init__(self, graph: Path, text: Path) -> None:
        """Load `graph` and `text` (its description for OpenCV), which `pretrained` has checked."""
        self._cv2: Any = import_module("cv2")
        self._net = self._cv2.dnn.readNetFromTensorflow(str(graph), str(text))

    def detect(self, picture: Image.Image) -> list[Finding]:
        """The objects in an RGB `picture`, with boxes, from a score of 0.35."""
        square = picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0)
        self._net.setInput(self._cv2.dnn.blobFromImage(np.asarray(square)))
        rows = self._net.forward()[0, 0]  # each: picture, class, score, left, top, right, bottom
        return [
            Finding(_LABELS[int(kind)], 100 * min(score, 1.0) ** _POWER, Box.between(*corners))
            for _, kind, score, *corners in rows.tolist()
            if score >= _MIN_SCORE and int(kind) in _LABELS
        ]
