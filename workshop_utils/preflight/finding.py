"""What a check finds: good, doubtful, or in the way; with its reason and what to do.

It must not know what is checked.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    BLOCKER = "blocker"


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes
    ----------
    area
        What it is about, in a word or two: ``quotas``, ``permissions``.
    level
        Blockers keep a lab from running; warnings do not, or not surely.
    what, why, do
        What was found, why it matters, and what to do; the last two are empty when all is well.
    """

    area: str
    level: Level
    what: str
    why: str = ""
    do: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return it for JSON."""
        return {name: str(value) for name, value in asdict(self).items()}


def ok(area: str, what: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(area, Level.OK, what)


def warning(area: str, what: str, why: str, do: str) -> Finding:
    """Return a finding that may matter."""
    return Finding(area, Level.WARNING, what, why, do)


def blocker(area: str, what: str, why: str, do: str) -> Finding:
    """Return a finding that keeps a lab from running."""
    return Finding(area, Level.BLOCKER, what, why, do)
