"""DynamoDB's conditions on items, for the table in memory: comparisons, BETWEEN, IN, functions, AND,
OR, NOT and brackets, as FilterExpression and KeyConditionExpression have them.

Items and values are plain ones; an attribute is one of the item's own (no paths into maps).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

Item = Mapping[str, Any]
Test = Callable[[Item], Any]
"""Whether an item meets a condition; of an operand, its value (None: the item lacks it)."""

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),]|[#:]?\w+)")
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


def bounds(text: str, names: Mapping[str, str], values: Item, hash_key: str) -> tuple[Any, Test]:
    """The partition that a KeyConditionExpression names, and the test on the rest of the key."""
    found = re.fullmatch(r"\s*(#?\w+)\s*=\s*(:\w+)(?:\s+AND\s+(.+))?", text, re.DOTALL)
    if not found or names.get(found[1], found[1]) != hash_key:
        raise ValueError(f"{text!r}: the partition comes first")
    rest = condition(found[3], names, values) if found[3] else lambda item: True
    return values[found[2]], rest


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
            if type(one) is int:
                one = Decimal(one)
            if compare not in (operator.eq, operator.ne) and (one is None or other is None):
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
        name = self._names[token] if token.startswith("#") else token
        return lambda item: item.get(name)

    def _next(self, token: str) -> bool:
        if self.tokens and self.tokens[0] == token:
            self.tokens.pop(0)
            return True
        return False

    def _must(self, token: str) -> None:
        if not self._next(token):
            raise ValueError(f"{token!r} is missing before {self.tokens[:1]}")
