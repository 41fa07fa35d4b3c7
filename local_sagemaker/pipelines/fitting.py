"""Writes the values of expressions as texts where an operation wants a text.

The SDK puts a parameter among hyperparameters as it is, whatever its type; hyperparameters are
texts. A literal of a wrong type stays wrong, for the operation to refuse. It must not know how
expressions get their values.
"""

from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from local_sagemaker.pipelines.expressions import as_text, is_expression


def fitted(written: Any, resolved: Any, shape: Shape | None) -> Any:
    """Return resolved arguments in which numbers from expressions are texts where texts belong.

    Parameters
    ----------
    written
        The arguments as the definition has them.
    resolved
        The same with the values of their expressions.
    shape
        What the operation takes here; None for what it does not know.
    """
    if is_expression(written):
        scalar = isinstance(resolved, bool | int | float)
        return as_text(resolved) if scalar and isinstance(shape, StringShape) else resolved
    if isinstance(written, dict) and isinstance(shape, StructureShape):
        return {
            key: fitted(written[key], value, shape.members.get(key))
            for key, value in resolved.items()
        }
    if isinstance(written, dict) and isinstance(shape, MapShape):
        return {key: fitted(written[key], value, shape.value) for key, value in resolved.items()}
    if isinstance(written, list) and isinstance(shape, ListShape):
        return [fitted(*pair, shape.member) for pair in zip(written, resolved, strict=True)]
    return resolved
