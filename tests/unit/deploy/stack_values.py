"""Stacks as CloudFormation describes them."""

from __future__ import annotations

OUTPUTS = [
    {"OutputKey": "PhotosBucket", "OutputValue": "photos"},
    {"OutputKey": "Table", "OutputValue": "labels"},
    {"OutputKey": "LabelsTable", "OutputValue": "index"},
    *(
        {"OutputKey": key, "OutputValue": key.lower()}
        for key in ("Queue", "DeadLetterQueue", "Function", "LogGroup")
    ),
]
FOREIGN = {"Description": "The pay roll"}  # though its tags say otherwise
ZIPS = {
    "Description": "labelctl - the bucket that holds the function's zip, for one labelctl stack."
}
