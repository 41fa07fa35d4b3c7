"""What tells a resource from others of its kind: its name, or identifiers that this server makes.

It must not know records.
"""

import hashlib
import secrets
import string
from collections.abc import Mapping
from typing import Any

from local_sagemaker.errors import validation_exception
from local_sagemaker.kinds import Kind

_DIGITS = 12


def generated(kind: Kind) -> dict[str, str]:
    """Return the identifiers that a new resource of a kind is given."""
    return {member: token(prefix) for member, prefix in kind.row.generated.items()}


def token(prefix: str) -> str:
    """Return a new identifier, capital ones behind ``app-``, as the service has them."""
    letters = string.ascii_uppercase if prefix == "app-" else string.ascii_lowercase
    return prefix + "".join(secrets.choice(letters + string.digits) for _ in range(_DIGITS))


def derived(text: str) -> str:
    """Return the identifier that follows from a text: the same one at every call."""
    letters = string.ascii_lowercase + string.digits
    number = int.from_bytes(hashlib.sha256(text.encode()).digest())
    drawn = []
    for _ in range(_DIGITS):
        number, letter = divmod(number, len(letters))
        drawn.append(letters[letter])
    return "".join(drawn)


def members(kind: Kind) -> frozenset[str]:
    """Return the members of a request that may be part of a resource's name."""
    return frozenset(member for part in kind.address for member in part.split("|"))


def name(kind: Kind, params: Mapping[str, Any]) -> str:
    """Return the name that the record of a resource has.

    Raises
    ------
    AWSError
        ``ValidationException`` when a part of it is not given, or given twice.
    """
    parts = []
    for part in kind.address:
        choices = part.split("|")
        given = [params[member] for member in choices if params.get(member)]
        if len(given) != 1:
            amount = "Exactly one of" if len(choices) > 1 else "The member"
            raise validation_exception(f"{amount} {' and '.join(choices)} must be given.")
        parts.append(given[0])
    return "/".join(parts)
