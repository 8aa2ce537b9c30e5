"""Numbers in sentences."""

from __future__ import annotations

import pytest

from labelctl.words import span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 seconds"),
        (1, "1 second"),
        (119.9, "119 seconds"),
        (120, "2 minutes"),
        (7199, "119 minutes"),
        (12 * 3600, "12 hours"),
        (47 * 3600, "47 hours"),
        (1_000 * 86400, "1,000 days"),
    ],
)
def test_a_length_of_time_is_told_in_a_unit_of_which_there_are_two(seconds, words):
    assert span(seconds) == words
