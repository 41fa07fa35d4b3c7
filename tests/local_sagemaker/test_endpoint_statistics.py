"""How much a variant was asked, how fast it answered and how often it failed."""

from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.route_key import RouteKey
from local_sagemaker.hosting.routes import Route, Variant
from local_sagemaker.hosting.statistics import Histogram, Statistics, VariantStatistics

KEY = RouteKey("111122223333", "us-east-1", "some")


def test_quantiles_are_within_a_tenth() -> None:
    histogram = Histogram()
    assert histogram.quantile(0.5) is None
    assert histogram.longest is None
    for number in range(1, 1001):
        histogram.add(number / 1000)
    for share in (0.01, 0.5, 0.95, 0.99):
        found = histogram.quantile(share)
        assert found is not None
        assert share <= found <= share * 1.1
    assert histogram.quantile(1.0) == histogram.longest == 1.0


def test_durations_beyond_the_histogram_are_counted() -> None:
    histogram = Histogram()
    for seconds in (0.0, 1e-9, 10_000.0):
        histogram.add(seconds)
    assert histogram.quantile(0.3) == 0.0001
    assert histogram.longest == 10_000.0


def test_requests_are_counted_by_what_they_came_to() -> None:
    statistics = Statistics().of(KEY, "a")
    for status in (200, 200, 429, 400, 503, 0, None):
        statistics.begin()
        statistics.end(status, 0.01)
    statistics.begin()
    found = statistics.to_dict()
    assert 10 <= found["latency_ms"].pop("p50") <= 11
    assert found.pop("latency_ms")["max"] == 10
    assert found.pop("cold_start_ms") == {"p50": None, "max": None}
    counts = {"invocations": 6, "errors_4xx": 2, "errors_5xx": 2, "in_flight": 1, "cold_starts": 0}
    assert found == counts


def test_cold_starts_are_counted_beside_the_requests() -> None:
    statistics = Statistics().of(KEY, "a")
    for seconds in (2.0, 4.0):
        statistics.cold_start(seconds)
    found = statistics.to_dict()
    assert (found["cold_starts"], found["invocations"]) == (2, 0)
    assert found["cold_start_ms"]["max"] == 4000
    assert 2000 <= found["cold_start_ms"]["p50"] <= 2200


def test_a_variant_keeps_its_statistics_until_its_endpoint_is_forgotten() -> None:
    statistics = Statistics()
    before = statistics.of(KEY, "a")
    assert statistics.of(KEY, "a") is before
    assert statistics.of(KEY, "b") is not before
    statistics.forget(KEY)
    assert statistics.of(KEY, "a") is not before


def _route(*weights: float) -> Route:
    fleet: Fleet = object.__new__(Fleet)
    return Route(
        tuple(
            Variant(str(place), weight, fleet, 1, VariantStatistics())
            for place, weight in enumerate(weights)
        )
    )


def _share(route: Route, requests: int) -> list[float]:
    names = [variant.name for variant in route.variants]
    chosen = [found.name for _ in range(requests) if (found := route.choose()) is not None]
    return [chosen.count(name) / requests for name in names]


def test_shares_follow_the_weights_closely() -> None:
    for weights in ((1, 1), (1, 3), (0.7, 0.2, 0.1), (5, 0, 5), (1, 99)):
        total = sum(weights)
        for wanted, found in zip(weights, _share(_route(*weights), 1000), strict=True):
            # Drawing lots would be ten times further off.
            assert abs(found - wanted / total) <= 0.005
            assert found == 0 or wanted > 0


def test_variants_without_any_weight_share_alike() -> None:
    assert _share(_route(0, 0), 10) == [0.5, 0.5]


def test_a_target_is_what_was_asked_for() -> None:
    route = _route(0, 1)
    chosen = route.choose("0")
    assert chosen is not None
    assert chosen.name == "0"
    assert route.choose("2") is None
