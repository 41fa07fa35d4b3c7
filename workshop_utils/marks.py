"""The mark that says until when a resource is needed: a tag with a time.

Endpoints carry it, and clean-up reads it. It knows tags and times; it must not know what carries
them, nor what becomes of it.
"""

import warnings
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

EXPIRES = "workshop:expires"
"""Key of the tag; its value is a time in UTC, ``2026-11-29T20:00:00Z``."""
HOURS = 8.0
"""How long an endpoint is needed unless somebody says otherwise: a day's workshop."""
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class Malformed(UserWarning):
    """An expiry tag whose value is no time; who wrote it is not this workshop."""


def expiry_tag(hours: float = HOURS, now: datetime | None = None) -> dict[str, str]:
    """Return the tag of what may be deleted some hours from now, in AWS's form.

    Parameters
    ----------
    hours
        Above 0; parts of an hour count.
    now
        With a time zone; the present if None.

    Raises
    ------
    ValueError
        When ``hours`` is not a positive number that leads to a time there is, or ``now`` has no
        time zone.
    """
    moment = datetime.now(UTC) if now is None else now
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone: pass datetime.now(UTC), for instance.")
    if not hours > 0:
        raise ValueError(f"An endpoint is needed for {hours!r} hours: pass a number above 0.")
    try:
        end = moment.astimezone(UTC) + timedelta(hours=hours)
    except OverflowError as error:
        raise ValueError(f"{hours!r} hours from now there is no calendar any more.") from error
    return {"Key": EXPIRES, "Value": end.strftime(_FORMAT)}


def expires(tags: Iterable[Mapping[str, str]] | Mapping[str, str]) -> datetime | None:
    """Return until when a resource is needed, or None when its tags do not say.

    A value that is no time is warned of, and counts as none: nothing is deleted because of it.

    Parameters
    ----------
    tags
        In AWS's form, ``[{"Key": …, "Value": …}]``, or as one mapping.
    """
    if isinstance(tags, Mapping):
        value = tags.get(EXPIRES)
    else:
        value = next((tag["Value"] for tag in tags if tag["Key"] == EXPIRES), None)
    if value is None:
        return None
    try:
        return datetime.strptime(value, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        warnings.warn(
            f"The tag {EXPIRES} has the value {value!r}, which is no time like "
            "2026-11-29T20:00:00Z: it is taken for a resource that does not expire.",
            Malformed,
            stacklevel=2,
        )
        return None
