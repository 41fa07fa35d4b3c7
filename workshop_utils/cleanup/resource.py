"""What clean-up found: one resource, why it counts as the workshop's, and what becomes of it.

It must not know how a resource is found or deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

TAG = "its tag"
NAME = "its name"
ADOPTED = "--adopt"
ROOT, MARKED = "root", "marked"
"""The details with the ARNs of what a resource hangs off, and of what carries the tag there."""


@dataclass(frozen=True)
class Resource:
    """One resource of an account.

    Attributes
    ----------
    kind, name
        For instance ``endpoint`` and its name.
    arn
        Its ARN, or what tells it from others where AWS gives it none.
    created
        When it came to be; None where AWS does not say.
    status
        As AWS has it; empty for kinds that have none.
    why
        What makes it the workshop's: its tag, its name, or what it hangs off; empty if nothing.
    lab
        The lab that made it, if that is known.
    expires
        Until when it is needed; None: until somebody deletes it.
    details
        What its deletion needs to know.
    usd_per_hour
        What it costs while it is there; None where that is not known.
    note
        What a person should know about it.
    """

    kind: str
    name: str
    arn: str
    created: datetime | None = None
    status: str = ""
    why: str = ""
    lab: str | None = None
    expires: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)
    usd_per_hour: float | None = 0.0
    note: str = ""

    @property
    def words(self) -> str:
        """Its kind as people say it."""
        return self.kind.replace("-", " ")

    def age(self, now: datetime) -> str:
        """Return how old it is, in words."""
        return "" if self.created is None else duration((now - self.created).total_seconds())

    def below(self, root: "Resource") -> "Resource":
        """Return it as the workshop's because of another one that it hangs off."""
        tagged = root.arn if root.why == TAG else root.details.get(MARKED)
        return replace(
            self,
            why=f"hangs off {root}",
            lab=root.lab,
            details={**self.details, ROOT: root.arn, MARKED: tagged},
        )

    def same(self, other: "Resource") -> bool:
        """Tell whether it is that very one, not another one of the same name."""
        return self.arn == other.arn and self.created == other.created

    def to_dict(self) -> dict[str, Any]:
        """Return it for a program."""
        return {
            "kind": self.kind,
            "name": self.name,
            "arn": self.arn,
            "created": timestamp(self.created),
            "status": self.status,
            "why": self.why,
            "lab": self.lab,
            "expires": timestamp(self.expires),
            "usd_per_hour": self.usd_per_hour,
            "note": self.note,
        }

    def __str__(self) -> str:
        return f"{self.words} {self.name}"


def duration(seconds: float) -> str:
    """Return a span of time in its two largest units."""
    rest = max(0, int(seconds))
    parts = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def timestamp(moment: datetime | None) -> str | None:
    """Return a time as JSON has it, in UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")
