"""The conditions of a Condition step: comparisons, In, Not and Or, nested as they come.

The conditions of a list all have to hold. It must not know steps.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from local_sagemaker.pipelines.expressions import ExpressionError, Scope, resolve

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
_COMPARED = frozenset({"LeftValue", "RightValue"})
# The SDK writes the first pair, AWS's published schema has the second.
_IN = (("QueryValue", "Values"), ("Value", "In"))


def check(conditions: Any) -> None:
    """Refuse what is no list of conditions.

    Raises
    ------
    ExpressionError
        With what is wrong.
    """
    if not isinstance(conditions, list) or not conditions:
        raise ExpressionError("Conditions must be a list of at least one condition")
    for condition in conditions:
        _check(condition)


def hold(conditions: list[Any], scope: Scope) -> bool:
    """Tell whether all conditions of a list hold.

    Raises
    ------
    ExpressionError
        When a value is not there, or two values cannot be compared.
    """
    return all(_holds(condition, scope) for condition in conditions)


def _check(condition: Any) -> None:
    if not isinstance(condition, dict):
        raise ExpressionError(f"{condition!r} is not a condition")
    kind = condition.get("Type")
    if not isinstance(kind, str):
        raise ExpressionError(f"a condition has the Type {kind!r}, which is no text")
    if kind == "Equals" or kind in _ORDERS:
        missing = _COMPARED - condition.keys()
        if missing:
            raise ExpressionError(f"a condition {kind} needs {' and '.join(sorted(missing))}")
    elif kind == "Not":
        _check(condition.get("Condition"))
    elif kind == "Or":
        check(condition.get("Conditions"))
    elif kind == "In":
        query, values = _in_members(condition)
        if query not in condition or not isinstance(condition.get(values), list):
            raise ExpressionError("a condition In needs a QueryValue and a list of Values")
    else:
        known = ", ".join(["Equals", *_ORDERS, "In", "Not", "Or"])
        raise ExpressionError(f"there is no condition {kind!r}: use one of {known}")


def _holds(condition: Mapping[str, Any], scope: Scope) -> bool:
    kind = condition["Type"]
    if kind == "Not":
        return not _holds(condition["Condition"], scope)
    if kind == "Or":
        return any(_holds(one, scope) for one in condition["Conditions"])
    if kind == "In":
        query, values = _in_members(condition)
        wanted = resolve(condition[query], scope)
        return any(_equal(wanted, resolve(value, scope)) for value in condition[values])
    left, right = (resolve(condition[side], scope) for side in ("LeftValue", "RightValue"))
    if kind == "Equals":
        return _equal(left, right)
    if not (_numbers(left, right) or (isinstance(left, str) and isinstance(right, str))):
        raise ExpressionError(
            f"{kind} cannot compare {left!r} with {right!r}: both must be numbers or both texts"
        )
    return _ORDERS[kind](left, right)


def _in_members(condition: Mapping[str, Any]) -> tuple[str, str]:
    return _IN[0] if _IN[0][0] in condition else _IN[1]


def _equal(left: Any, right: Any) -> bool:
    # In Python True equals 1; here a Boolean is no number.
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _numbers(*values: Any) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
