"""Numbers in sentences, and names in commands."""

from __future__ import annotations

import pytest

from labelctl.errors import Command
from labelctl.text import path_argument, span, volume


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
def test_a_duration_is_in_the_largest_unit_of_which_it_holds_two(seconds, words):
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (94, "94 bytes"),
        (12_345, "12 kB"),
        (120_000, "0.1 MB"),
        (1_240_000, "1.2 MB"),
        (9_990_000, "10.0 MB"),
        (120_400_000, "120 MB"),
        (1_300_000_000, "1.3 GB"),
    ],
)
def test_a_size_is_in_the_unit_that_fits(size, words):
    assert volume(size) == words


@pytest.mark.parametrize(
    ("name", "written"),
    [("a.jpg", "a.jpg"), ("a b.jpg", "'a b.jpg'"), ("-a.jpg", "./-a.jpg"), ("-'", "'./-'\"'\"''")],
)
def test_a_name_in_a_command_is_a_path_and_quoted_for_the_shell(name, written):
    assert str(Command("show", path_argument(name))) == f"labelctl show {written}"
