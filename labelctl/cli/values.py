"""Parsers of option values. Each returns the value, or raises an error that says what to type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isnan
from typing import Any

import typer

_MAX_COUNT = 10**12
"""The largest whole number that an option accepts. No bucket holds as many photos."""


class DoubtfulValueError(typer.BadParameter):
    """A value that is probably a mistake. `hint` says what the user may mean."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def percent(text: str | float) -> float:
    """A percentage, 0 to 100, written as 80 or 80%.

    A number between 0 and 1 without the percent sign is refused: many tools write 0.8 for 80 %.
    """
    written = str(text).strip()
    value = _number(written.removesuffix("%").rstrip())
    if not 0 <= value <= 100:
        raise typer.BadParameter(f"{written} is not a percentage from 0 to 100.")
    if 0 < value < 1 and not written.endswith("%"):
        raise DoubtfulValueError(
            f"{written} is less than 1 percent.",
            f"Did you mean {100 * value:g}? For {value:g} percent, add the sign: {value:g}%",
        )
    return value


def number(minimum: float) -> Callable[[str | float], float]:
    """The parser of a number that is at least `minimum`."""

    def parse(text: str | float) -> float:
        value = _number(text)
        _check_range(text, value, minimum, inf)
        return value

    return parse


def count(minimum: int = 1, maximum: int = _MAX_COUNT) -> Callable[[str | int], int]:
    """The parser of a whole number from `minimum` to `maximum`."""

    def parse(text: str | int) -> int:
        try:
            value = int(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is not a whole number.") from None
        _check_range(text, value, minimum, maximum)
        return value

    return parse


def choice(values: Sequence[str]) -> Callable[[str], str]:
    """The parser of one of some words."""

    def parse(text: str) -> str:
        if text not in values:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(values)}.")
        return text

    return parse


def choice_option(values: Sequence[str], *names: str, **more: Any) -> Any:
    """An option with one of some words as its value."""
    return typer.Option(*names, parser=choice(values), metavar="|".join(values), **more)


def percent_option(help: str) -> Any:
    """An option with a percentage as its value."""
    return typer.Option(parser=percent, metavar="PERCENT", help=help)


def _number(text: str | float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if isnan(value):  # which would pass every range check
        raise typer.BadParameter(f"{text!r} is not a number.")
    return value


def _check_range(text: object, value: float, minimum: float, maximum: float) -> None:
    if value < minimum:
        raise typer.BadParameter(f"{text} is too small. The minimum is {minimum:,}.")
    if value > maximum:
        raise typer.BadParameter(f"{text} is too large. The maximum is {maximum:,}.")
