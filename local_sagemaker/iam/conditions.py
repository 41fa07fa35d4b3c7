"""The Condition element of a policy: operators, their modifiers, and what is missing.

It knows keys and values; it must not know actions or resources.

Source: "IAM JSON policy elements: Condition operators", IAM user guide.
"""

import ipaddress
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Context = Mapping[str, Sequence[str]]
"""Values by lower-case context key."""

Test = Callable[[str, str], bool]


def holds(condition: Mapping[str, Mapping[str, Any]], context: Context, missing: set[str]) -> bool:
    """Tell whether a condition is met; all of its operators and keys must be.

    Parameters
    ----------
    condition
        The element: operator, key, wanted values.
    context
        What is known of the request.
    missing
        Takes the keys that are asked for and not known.

    Raises
    ------
    ValueError
        For an operator that there is not, or a value that it cannot compare.
    """
    # Each is asked, so that all missing keys are found.
    results = [
        _met(name, key, _strings(wanted), context, missing)
        for name, keys in condition.items()
        for key, wanted in keys.items()
    ]
    return all(results)


def _met(name: str, key: str, wanted: Sequence[str], context: Context, missing: set[str]) -> bool:
    found = context.get(key.lower())
    modifier, _, plain = name.rpartition(":")
    if plain == "Null":
        return (found is None) is (wanted[0].lower() == "true")
    optional = plain.endswith("IfExists")
    plain = plain.removesuffix("IfExists")
    negated = plain.startswith(("StringNot", "NumericNot", "DateNot", "ArnNot", "NotIp"))
    test = _TESTS.get(plain)
    if test is None or modifier not in ("", "ForAnyValue", "ForAllValues"):
        raise ValueError(f"there is no condition operator {name}")
    if found is None:
        if optional or modifier == "ForAllValues":
            return True
        missing.add(key)
        # A value that is not there is not equal to any.
        return negated and not modifier
    results = (any(test(value, want) for want in wanted) is not negated for value in found)
    return all(results) if modifier != "ForAnyValue" else any(results)


def _strings(wanted: Any) -> list[str]:
    values = wanted if isinstance(wanted, list) else [wanted]
    return [str(value).lower() if isinstance(value, bool) else str(value) for value in values]


def like(value: str, pattern: str) -> bool:
    """Tell whether a pattern with ``*`` and ``?`` matches the whole of a value."""
    return _compiled(pattern).fullmatch(value) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    first, *rest = (
        "".join("." if letter == "?" else re.escape(letter) for letter in part)
        for part in pattern.split("*")
    )
    if rest:
        # What lies between two stars is found at its first place and never sought again: trying
        # all places for each would take a time exponential in their number.
        first += "".join(f"(?>.*?{part})" for part in rest[:-1]) + f".*{rest[-1]}"
    return re.compile(first, re.DOTALL)


def _arn_like(value: str, pattern: str) -> bool:
    # Each of the six parts is compared by itself.
    parts, wanted = value.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(wanted) and all(map(like, parts, wanted))


def _number(compare: Callable[[float, float], bool]) -> Test:
    return lambda value, want: compare(float(value), float(want))


def _date(compare: Callable[[datetime, datetime], bool]) -> Test:
    return lambda value, want: compare(_moment(value), _moment(want))


def _moment(text: str) -> datetime:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return datetime.fromtimestamp(float(text), UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _address(value: str, want: str) -> bool:
    return ipaddress.ip_address(value) in ipaddress.ip_network(want, strict=False)


def _same(value: str, want: str) -> bool:
    return value == want


def _same_ignoring_case(value: str, want: str) -> bool:
    return value.lower() == want.lower()


# Negated operators have the test of their opposite.
_TESTS: dict[str, Test] = {
    "StringEquals": _same,
    "StringNotEquals": _same,
    "StringEqualsIgnoreCase": _same_ignoring_case,
    "StringNotEqualsIgnoreCase": _same_ignoring_case,
    "StringLike": like,
    "StringNotLike": like,
    "ArnEquals": _arn_like,
    "ArnNotEquals": _arn_like,
    "ArnLike": _arn_like,
    "ArnNotLike": _arn_like,
    "Bool": _same_ignoring_case,
    "BinaryEquals": _same,
    "NumericEquals": _number(operator.eq),
    "NumericNotEquals": _number(operator.eq),
    "NumericLessThan": _number(operator.lt),
    "NumericLessThanEquals": _number(operator.le),
    "NumericGreaterThan": _number(operator.gt),
    "NumericGreaterThanEquals": _number(operator.ge),
    "DateEquals": _date(operator.eq),
    "DateNotEquals": _date(operator.eq),
    "DateLessThan": _date(operator.lt),
    "DateLessThanEquals": _date(operator.le),
    "DateGreaterThan": _date(operator.gt),
    "DateGreaterThanEquals": _date(operator.ge),
    "IpAddress": _address,
    "NotIpAddress": _address,
}
