"""Text helpers: numbers in sentences, names as arguments and on terminals, URLs without passwords."""

from __future__ import annotations

import re
import unicodedata

_ESCAPED = {"Cc", "Cs", "Zl", "Zp"}
_BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_LONGEST = 400  # characters of a message
_USER_IN_URL = re.compile(r'://[^"\n]*@')


def counted(number: int, noun: str) -> str:
    """The number and its noun, in the plural unless it is 1: "1 photo", "2,000 photos"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def volume(size: int) -> str:
    """A size in bytes, in decimal units: "94 bytes", "12 kB", "0.4 MB", "120 MB", "1.3 GB"."""
    if size < 1000:
        return counted(size, "byte")
    if size < 100_000:
        return f"{size / 1000:.0f} kB"
    megabytes = size / 1e6
    if megabytes >= 1000:
        return f"{megabytes / 1000:,.1f} GB"
    return f"{megabytes:.0f} MB" if megabytes >= 10 else f"{megabytes:.1f} MB"


def span(seconds: float) -> str:
    """A duration, in the largest unit of which it holds two, rounded down: "90 minutes", "3 days"."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return counted(int(seconds // size), unit)
    return counted(max(int(seconds), 0), "second")


def shortened(text: str) -> str:
    """The text, or its start and its end if it contains a value that is too long to read."""
    return text if len(text) <= _LONGEST else f"{text[:150]}…{text[-150:]}"


def path_argument(name: str) -> str:
    """A path, or a key where a command accepts a path, as a command's argument.

    A leading dash becomes "./-", so that no command takes the name for an option.
    """
    return f"./{name}" if name.startswith("-") else name


def without_passwords(text: str) -> str:
    """The text with the user and password of each URL replaced by ***.

    A password may contain any character, so everything up to the last @ before a quotation mark
    is replaced.
    """
    return _USER_IN_URL.sub("://***@", text)


def printable(text: str) -> str:
    """The text with control characters, line breaks and text-direction marks escaped."""
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _ESCAPED or ord(character) in _BIDI
        else character
        for character in text
    )
