"""What tells an endpoint from all others. It knows nothing else."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RouteKey:
    """Whose endpoint, where, and its name."""

    account: str
    region: str
    endpoint: str
