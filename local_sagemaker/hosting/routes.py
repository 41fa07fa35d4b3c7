"""Which fleet answers a request: the variants of an endpoint's current generation.

A route never changes; an update makes a new one and puts it in the other's place. It knows
weights and names, and nothing of how a fleet works.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from local_sagemaker.hosting.async_plan import AsyncPlan
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.route_key import RouteKey
from local_sagemaker.hosting.statistics import VariantStatistics

# Multiples of the golden ratio, modulo 1, fill the unit interval evenly from the first few on.
_GOLDEN_RATIO = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Variant:
    """A production variant that serves.

    Attributes
    ----------
    name
        Its name.
    weight
        Its share of the requests, relative to the others'.
    fleet
        Its processes.
    max_payload
        Largest request in bytes.
    statistics
        Of its requests.
    instances
        How many instances were asked for.
    max_concurrency
        How many requests may be under way at once; None for any number.
    """

    name: str
    weight: float
    fleet: Fleet
    max_payload: int
    statistics: VariantStatistics
    instances: int = 1
    max_concurrency: int | None = None


@dataclass(frozen=True)
class Route:
    """The variants that share an endpoint's requests.

    Attributes
    ----------
    variants
        The variants.
    asynchronous
        Where the answers of an asynchronous endpoint go; None for any other endpoint.
    """

    variants: tuple[Variant, ...]
    asynchronous: AsyncPlan | None = None
    _turns: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def choose(self, target: str | None = None) -> Variant | None:
        """Return the variant for the next request.

        Parameters
        ----------
        target
            The variant that was asked for; None for one chosen by weight. Over any stretch of
            requests the shares are closer to the weights than drawing lots would bring them.

        Returns
        -------
        Variant or None
            None when there is no such variant.
        """
        if target is not None:
            return next((found for found in self.variants if found.name == target), None)
        if len(self.variants) == 1:
            return self.variants[0]
        weights = [variant.weight for variant in self.variants]
        if not any(weights):
            weights = [1.0] * len(weights)
        point = (next(self._turns) * _GOLDEN_RATIO % 1.0) * sum(weights)
        for variant, end in zip(self.variants, itertools.accumulate(weights), strict=True):
            if point < end:
                return variant
        # Rounding may leave the point at the very end; a weight of 0 gets nothing even then.
        return next(
            v for v, weight in zip(self.variants[::-1], weights[::-1], strict=True) if weight
        )


class Routes:
    """The current route of every endpoint.

    Reading and replacing are single operations on a dictionary, so readers need no lock.
    """

    def __init__(self) -> None:
        self._routes: dict[RouteKey, Route] = {}
        self._expected: set[RouteKey] = set()

    def expect(self, key: RouteKey) -> None:
        """Note that an endpoint that was in service is coming back."""
        self._expected.add(key)

    def expected(self, key: RouteKey) -> bool:
        """Tell whether an endpoint is coming back, so that its requests should wait."""
        return key in self._expected

    def no_longer_expect(self, key: RouteKey) -> None:
        """Note that an endpoint is back, or will not come."""
        self._expected.discard(key)

    def get(self, key: RouteKey) -> Route | None:
        """Return the current route, None where none serves."""
        return self._routes.get(key)

    def put(self, key: RouteKey, route: Route) -> Route | None:
        """Make a route the current one; return the one it replaces."""
        replaced = self._routes.get(key)
        self._routes[key] = route
        return replaced

    def remove(self, key: RouteKey) -> Route | None:
        """Take the current route away and return it."""
        return self._routes.pop(key, None)

    def every(self) -> Mapping[RouteKey, Route]:
        """Return all current routes."""
        return dict(self._routes)
