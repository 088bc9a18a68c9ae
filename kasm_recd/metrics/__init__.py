"""Figures for Prometheus: counters that the parts count up, gauges that are looked up when asked.

Counters belong to the process: they go on over a recorder that is made anew. A part counts with
:func:`count`; names, meanings and labels are in :mod:`kasm_recd.metrics.registry`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from kasm_recd.metrics.registry import COUNTERS, GAUGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.metrics_core import Metric as Family

__all__ = ["CONTENT_TYPE", "Gauges", "count", "counted", "render"]

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

#: Name -> values by their labels' values: ``{"kasm_recd_queue_busy": {("cut",): 1}}``.
Gauges = dict[str, dict[tuple[str, ...], float]]

disable_created_metrics()  # type: ignore[no-untyped-call]
_registry: Final = CollectorRegistry()
ProcessCollector(registry=_registry)
_counters: Final = {
    metric.name: Counter(
        metric.name.removesuffix("_total"), metric.meaning, metric.labels, registry=_registry
    )
    for metric in COUNTERS
}
for _metric in COUNTERS:
    for _labels in _metric.known:
        _counters[_metric.name].labels(*_labels)


def count(name: str, amount: float = 1, **labels: str) -> None:
    """Counts up; raises KeyError or ValueError for a name or label that is not registered."""
    counter = _counters[name]
    (counter.labels(**labels) if labels else counter).inc(amount)


def counted(name: str, **labels: str) -> float:
    """What was counted so far."""
    return _registry.get_sample_value(name, labels) or 0.0


def render(gauges: Callable[[], Gauges]) -> bytes:
    """Everything in Prometheus's text format; ``gauges`` is asked once."""
    looked_up = CollectorRegistry(auto_describe=False)
    looked_up.register(_LookedUp(gauges()))
    return generate_latest(_registry) + generate_latest(looked_up)


class _LookedUp(Collector):
    def __init__(self, values: Mapping[str, Mapping[tuple[str, ...], float]]) -> None:
        self._values = values

    def collect(self) -> Iterable[Family]:
        for metric in GAUGES:
            family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for labels, value in self._values.get(metric.name, {}).items():
                family.add_metric(labels, value)
            yield family
