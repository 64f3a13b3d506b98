"""What the API counts about itself, and the page that Prometheus reads."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from mailwright.api.desk import Measure

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: seconds
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_EDGES = (*(str(edge) for edge in _BUCKETS), "+Inf")


class _Durations:
    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * len(_EDGES)
        self.total = 0.0


class Meter:
    """Plain numbers: a client library's counters would cost each call as much as its routing."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, int], int] = {}
        self._durations: dict[str, _Durations] = {}

    def count(self, route: str, status: int, seconds: float) -> None:
        key = (route, status)
        self._calls[key] = self._calls.get(key, 0) + 1
        durations = self._durations.get(route)
        if durations is None:
            durations = self._durations[route] = _Durations()
        durations.counts[bisect_left(_BUCKETS, seconds)] += 1
        durations.total += seconds

    def metrics(self, under_way: int) -> Iterator[Metric]:
        calls = CounterMetricFamily("mailwright_http_requests", "Answered HTTP calls.", labels=("route", "status"))
        for (route, status), number in self._calls.items():
            calls.add_metric((route, str(status)), number)
        yield calls
        times = HistogramMetricFamily("mailwright_http_seconds", "How long HTTP calls took.", labels=("route",))
        for route, durations in self._durations.items():
            times.add_metric((route,), list(_cumulated(durations.counts)), durations.total)
        yield times
        yield GaugeMetricFamily("mailwright_http_under_way", "HTTP calls that are under way.", under_way)


def page(own: Iterable[Metric], measures: Sequence[Measure]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Fixed([*own, *map(_metric, measures)]))
    return generate_latest(registry)


def _cumulated(counts: Sequence[int]) -> Iterator[tuple[str, float]]:
    total = 0
    for edge, number in zip(_EDGES, counts, strict=True):
        total += number
        yield edge, total


def _metric(measure: Measure) -> Metric:
    labels = tuple(measure.samples[0][0]) if measure.samples else ()
    kind = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
    metric = kind(measure.name, measure.help, labels=labels)
    for found, value in measure.samples:
        metric.add_metric([found[label] for label in labels], value)
    return metric


class _Fixed(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
