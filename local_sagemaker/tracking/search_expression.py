"""Search expressions: filters, nested filters and sub-expressions as one yes-or-no question.

An expression is read once into a predicate over documents, and everything wrong with it is found
then, even when there is nothing to search. It must not know where documents come from.
"""

import operator
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.model import StructureShape

from local_sagemaker.errors import validation_exception
from local_sagemaker.tracking.search_properties import (
    ANY,
    BOOLEAN,
    NUMBER,
    STRUCTURE,
    TEXT,
    TIMESTAMP,
    Document,
    Property,
    elements,
    resolve,
)

Predicate = Callable[[Document], bool]
_Test = Callable[[Any], bool]

# botocore, SearchRequest.SearchExpression: "The maximum number of recursive SubExpressions,
# NestedFilters, and Filters that can be included in a SearchExpression object is 50."
MAX_PARTS = 50
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
_TEXT_ONLY = ("Contains", "In")


def predicate(shape: StructureShape, expression: dict[str, Any]) -> Predicate:
    """Return whether a document of a shape satisfies an expression, as a function.

    Raises
    ------
    AWSError
        ``ValidationException`` when the expression is empty or too large, names a property that
        the resource does not have, or uses an operator or a value that does not fit one.
    """
    parts = _parts(expression)
    if parts > MAX_PARTS:
        raise validation_exception(
            f"The SearchExpression has {parts} filters, nested filters and sub-expressions; "
            f"at most {MAX_PARTS} are allowed."
        )
    return _expression(shape, expression)


def _parts(expression: dict[str, Any]) -> int:
    nested = expression.get("NestedFilters", [])
    inner = expression.get("SubExpressions", [])
    return (
        len(expression.get("Filters", []))
        + sum(1 + len(part["Filters"]) for part in nested)
        + sum(1 + _parts(part) for part in inner)
    )


def _expression(shape: StructureShape, expression: dict[str, Any]) -> Predicate:
    questions = [
        *(_filter(shape, part) for part in expression.get("Filters", [])),
        *(_nested(shape, part) for part in expression.get("NestedFilters", [])),
        *(_expression(shape, part) for part in expression.get("SubExpressions", [])),
    ]
    if not questions:
        raise validation_exception(
            "A SearchExpression needs at least one subexpression, filter, or nested filter."
        )
    if expression.get("Operator") == "Or":
        return lambda document: any(question(document) for question in questions)
    return lambda document: all(question(document) for question in questions)


def _nested(shape: StructureShape, part: dict[str, Any]) -> Predicate:
    """Return whether one element of a list satisfies all filters."""
    name = part["NestedPropertyName"]
    inside = elements(shape, name)
    questions = []
    for raw in part["Filters"]:
        if not raw["Name"].lower().startswith(f"{name.lower()}."):
            raise validation_exception(
                f"Filter {raw['Name']!r} is nested in {name!r}, so its name must start with "
                f"'{name}.'."
            )
        questions.append(_filter(inside.shape, raw | {"Name": raw["Name"][len(name) + 1 :]}))
    return lambda document: any(
        all(question(element) for question in questions) for element in inside.read(document)
    )


def _filter(shape: StructureShape, raw: dict[str, Any]) -> Predicate:
    prop = resolve(shape, raw["Name"])
    sign = raw.get("Operator") or "Equals"
    if sign == "Exists":
        return lambda document: bool(prop.read(document))
    if sign == "NotExists":
        return lambda document: not prop.read(document)
    if raw.get("Value") is None:
        raise validation_exception(f"The filter on {prop.name!r} with {sign} needs a Value.")
    if sign == "NotEquals":
        test = _test(prop, "Equals", raw["Value"])
        return lambda document: not any(test(value) for value in prop.read(document))
    test = _test(prop, sign, raw["Value"])
    return lambda document: any(test(value) for value in prop.read(document))


def _test(prop: Property, sign: str, wanted: str) -> _Test:
    """Return whether one value of a property satisfies an operator."""
    if prop.type == STRUCTURE:
        raise validation_exception(
            f"{prop.name!r} has no value of its own; name one of its members, or use Exists."
        )
    if sign in _TEXT_ONLY:
        if prop.type not in (TEXT, ANY):
            raise validation_exception(f"{sign} is not supported for {prop.type} {prop.name!r}.")
        return _text_test(prop, sign, wanted)
    if sign in _ORDERS:
        if prop.type in (TEXT, BOOLEAN):
            raise validation_exception(f"{sign} is not supported for {prop.type} {prop.name!r}.")
        return _order_test(prop, sign, wanted)
    return _equality_test(prop, wanted)


def _text_test(prop: Property, sign: str, wanted: str) -> _Test:
    def fold(value: Any) -> str:
        return str(value).lower() if prop.caseless else str(value)

    if sign == "In":
        choices = {fold(choice.strip()) for choice in wanted.split(",")}
        return lambda value: isinstance(value, str) and fold(value) in choices
    sought = fold(wanted)
    return lambda value: isinstance(value, str) and sought in fold(value)


def _order_test(prop: Property, sign: str, wanted: str) -> _Test:
    order = _ORDERS[sign]
    limit = _instant(prop, wanted) if prop.type == TIMESTAMP else _wanted_number(prop, wanted)
    whole = prop.hyperparameter and _is_integer(wanted)

    def test(value: Any) -> bool:
        number = as_number(value)
        if number is None:
            return False
        return order(float(int(number)) if whole else number, limit)

    return test


def _equality_test(prop: Property, wanted: str) -> _Test:
    if prop.type == TIMESTAMP:
        moment = int(_instant(prop, wanted))
        # The value of a filter has whole seconds, what is stored has microseconds.
        return lambda value: int(value) == moment
    if prop.type == NUMBER:
        number = _wanted_number(prop, wanted)
        return lambda value: as_number(value) == number
    if prop.type == BOOLEAN:
        if wanted.lower() not in ("true", "false"):
            raise validation_exception(f"{prop.name!r} is either true or false, not {wanted!r}.")
        truth = wanted.lower() == "true"
        return lambda value: value is truth
    asked = as_number(wanted)
    whole = prop.hyperparameter and _is_integer(wanted)

    def test(value: Any) -> bool:
        if isinstance(value, str) and not prop.hyperparameter:
            return value.lower() == wanted.lower() if prop.caseless else value == wanted
        number = as_number(value)
        if number is None or asked is None:
            return bool(value == wanted)
        return (float(int(number)) if whole else number) == asked

    return test


def as_number(value: Any) -> float | None:
    """Return a value as a finite number, or None when it is none."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) != float("inf") and number == number else None


def _wanted_number(prop: Property, wanted: str) -> float:
    number = as_number(wanted)
    if number is None:
        raise validation_exception(
            f"{prop.name!r} is compared with {wanted!r}, which must be an integer or a "
            "floating-point decimal."
        )
    return number


def _is_integer(text: str) -> bool:
    return text.strip().lstrip("+-").isdigit()


def _instant(prop: Property, wanted: str) -> float:
    try:
        moment = datetime.fromisoformat(wanted)
    except ValueError as error:
        raise validation_exception(
            f"{prop.name!r} is compared with {wanted!r}, which must be an ISO 8601 date and time "
            "like 2026-01-31T23:59:59."
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
