"""DynamoDB's expressions: ConditionExpression, FilterExpression and KeyConditionExpression.

Comparisons, BETWEEN, IN, functions, AND, OR, NOT and brackets; paths into maps, not into lists.
Items and values are plain ones, with Decimal for numbers.
"""

from __future__ import annotations

import operator
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any

Item = Mapping[str, Any]
Test = Callable[[Item], Any]
"""Whether an item meets a condition; of an operand, its value (None: the item lacks it)."""

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),]|[#:]?\w+(?:\.#?\w+)*)")
_COMPARE = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def condition(text: str, names: Mapping[str, str], values: Item) -> Test:
    """The test that an expression stands for. Raises ValueError for what is none."""
    parser = _Parser(text, names, values)
    test = parser.either()
    if parser.tokens:
        raise ValueError(f"{text!r}: what is {parser.tokens[0]!r}?")
    return test


@dataclass(frozen=True)
class KeyRange:
    """The stretch of a partition that a KeyConditionExpression selects: from `low` to `high`.

    A bound is (sort key, whether entries with that very key are below it); None: no bound.
    """

    partition: Any
    low: tuple[Any, bool] | None = None
    high: tuple[Any, bool] | None = None

    def find(self, positions: Sequence[tuple[Any, ...]]) -> tuple[int, int]:
        """Where it begins and ends among sorted positions that start with the sort key."""

        def place(bound: tuple[Any, bool]) -> int:
            bisect = bisect_right if bound[1] else bisect_left
            return bisect(positions, bound[0], key=itemgetter(0))

        return (
            place(self.low) if self.low else 0,
            place(self.high) if self.high else len(positions),
        )


def key_range(text: str, names: Mapping[str, str], values: Item, keys: Sequence[str]) -> KeyRange:
    """What a KeyConditionExpression selects of a table or index with these keys.

    Raises ValueError for one that DynamoDB does not accept.
    """
    first, *others = re.split(r"\s+AND\s+", text.strip(), maxsplit=1)
    partition = _key_test(first, names, values, keys[0])
    if partition is None or partition[0] != "=":
        raise ValueError(f"{text!r}: the partition key must come first, with =")
    if not others:
        return KeyRange(partition[1])
    found = _key_test(others[0], names, values, keys[1]) if len(keys) > 1 else None
    if found is None:
        raise ValueError(f"{text!r}: query key condition not supported")
    operator, value, other = found
    ranges = {
        "=": ((value, False), (value, True)),
        "<": (None, (value, False)),
        "<=": (None, (value, True)),
        ">": ((value, True), None),
        ">=": ((value, False), None),
        "BETWEEN": ((value, False), (other, True)),
    }
    if operator == "begins_with":
        return KeyRange(partition[1], (value, False), (value + chr(0x10FFFF), False))
    return KeyRange(partition[1], *ranges[operator])


_KEY_TEST = re.compile(
    r"(?P<name>#?\w+)\s*(?P<operator>=|<=|<|>=|>)\s*(?P<value>:\w+)"
    r"|(?P<name2>#?\w+)\s+BETWEEN\s+(?P<low>:\w+)\s+AND\s+(?P<high>:\w+)"
    r"|begins_with\s*\(\s*(?P<name3>#?\w+)\s*,\s*(?P<prefix>:\w+)\s*\)"
)


def _key_test(
    text: str, names: Mapping[str, str], values: Item, key: str
) -> tuple[str, Any, Any] | None:
    """Operator, value and second value of a test on `key`."""
    found = _KEY_TEST.fullmatch(text)
    if not found or name_of(found["name"] or found["name2"] or found["name3"], names) != key:
        return None
    if found["operator"]:
        return found["operator"], values[found["value"]], None
    if found["low"]:
        return "BETWEEN", values[found["low"]], values[found["high"]]
    return "begins_with", values[found["prefix"]], None


def name_of(token: str, names: Mapping[str, str]) -> str:
    """The attribute that a token stands for. Raises ValueError for a reserved word."""
    if token.startswith("#"):
        return names[token]
    if token.upper() in reserved_words():
        raise ValueError(f"Attribute name is a reserved keyword; reserved keyword: {token}")
    return token


@cache
def reserved_words() -> frozenset[str]:
    """DynamoDB's, as moto has them. [Developer Guide, "Reserved words in DynamoDB"]"""
    from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

    return frozenset(ReservedKeywords.get_reserved_keywords())


def path_of(text: str, names: Mapping[str, str]) -> list[str]:
    """The names in a path such as `labels.#dog`, from the item inwards."""
    return [name_of(token, names) for token in text.strip().split(".")]


def value_at(item: Any, path: Sequence[str]) -> Any:
    """What an item has at a path into its maps, or None."""
    for name in path:
        item = item.get(name) if isinstance(item, Mapping) else None
    return item


class _Parser:
    def __init__(self, text: str, names: Mapping[str, str], values: Item) -> None:
        self.tokens = _TOKEN.findall(text)
        if "".join(self.tokens) != "".join(text.split()):
            raise ValueError(f"not understood: {text!r}")
        self._names, self._values = names, values

    def either(self) -> Test:
        tests = [self._all()]
        while self._next("OR"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda item: any(test(item) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._next("AND"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda item: all(test(item) for test in tests)

    def _one(self) -> Test:
        if self._next("NOT"):
            test = self._one()
            return lambda item: not test(item)
        if self._next("("):
            test = self.either()
            self._must(")")
            return test
        if self.tokens[0] in ("attribute_exists", "attribute_not_exists"):
            exists = self.tokens.pop(0) == "attribute_exists"
            [value] = self._arguments()
            return lambda item: (value(item) is not None) is exists
        if self.tokens[0] in ("begins_with", "contains"):
            begins = self.tokens.pop(0) == "begins_with"
            whole, part = self._arguments()
            if begins:
                return lambda item: (whole(item) or "").startswith(part(item))
            return lambda item: part(item) in (whole(item) or ())
        return self._comparison()

    def _comparison(self) -> Test:
        left = self._operand()
        if self._next("BETWEEN"):
            low = self._operand()
            self._must("AND")
            high = self._operand()
            return lambda item: left(item) is not None and low(item) <= left(item) <= high(item)
        if self._next("IN"):
            some = self._arguments()
            return lambda item: left(item) in [each(item) for each in some]
        compare, right = _COMPARE[self.tokens.pop(0)], self._operand()

        def test(item: Item) -> bool:
            one, other = left(item), right(item)
            if compare not in (operator.eq, operator.ne) and type(one) is not type(other):
                return False
            return bool(compare(one, other))

        return test

    def _arguments(self) -> list[Test]:
        self._must("(")
        found = [self._operand()]
        while self._next(","):
            found.append(self._operand())
        self._must(")")
        return found

    def _operand(self) -> Test:
        token = self.tokens.pop(0)
        if token.startswith(":"):
            value = self._values[token]
            return lambda item: value
        path = path_of(token, self._names)
        return lambda item: value_at(item, path)

    def _next(self, token: str) -> bool:
        if self.tokens and self.tokens[0] == token:
            self.tokens.pop(0)
            return True
        return False

    def _must(self, token: str) -> None:
        if not self._next(token):
            raise ValueError(f"{token!r} is missing before {self.tokens[:1]}")
