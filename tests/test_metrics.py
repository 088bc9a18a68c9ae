"""The metric registry is held to the code that counts, and to what is drawn and warned of."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd import metrics
from kasm_recd.admission import Room
from kasm_recd.breach import BreachKind
from kasm_recd.gauges import gauges
from kasm_recd.metrics.registry import COUNTERS, GAUGES, METRICS, PREFIX
from tests.documents import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = ROOT / "config"
#: Not ours: what Prometheus itself makes, and recording rules.
NAME = re.compile(rf"\b{PREFIX}\w+")
STATUS: dict[str, Any] = {
    "healthy": False,
    "refusing": "disk_free_low",
    "draining": True,
    "segments": {"sealed": 2},
    "recordings_open": 3,
    "bytes_at_risk": 5,
    "bytes_pinned": 6,
    "oldest_unstored_at": 90.0,
    "queues": {"cut": {"busy": 1, "waiting": 2, "oldest_s": 7.5}},
    "destinations": {"s3://b": {"failures": 4, "last_error": "no"}},
}


def counting_calls() -> list[tuple[str, str, set[str]]]:
    """(where, name, labels) of each ``metrics.count(...)`` in the code."""
    found = []
    for path in sorted((ROOT / "kasm_recd").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="metrics"), attr="count"),
                    args=[ast.Constant(value=str(name)), *_],
                ):
                    labels = {str(keyword.arg) for keyword in node.keywords}
                    found.append((f"{path.name}:{node.lineno}", name, labels))
    return found


def test_what_is_counted_is_registered_with_these_labels() -> None:
    for where, name, labels in counting_calls():
        assert name in METRICS, where
        assert labels == set(METRICS[name].labels), where


def test_every_counter_is_counted_somewhere() -> None:
    assert {metric.name for metric in COUNTERS} - {name for _, name, _ in counting_calls()} == set()


def test_names_follow_prometheus_rules() -> None:
    for metric in METRICS.values():
        assert re.fullmatch(rf"{PREFIX}[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.meaning.endswith("."), metric.name
    assert len(METRICS) == len(COUNTERS) + len(GAUGES)


def rendered(text: bytes) -> dict[str, float]:
    lines = (line for line in text.decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_every_gauge_is_looked_up() -> None:
    rooms = [Room("/rec", 10, 0.5), None]
    found = gauges(STATUS, rooms, now=100.0)

    assert found.keys() == {metric.name for metric in GAUGES}
    samples = rendered(metrics.render(lambda: found))
    assert samples["kasm_recd_admitting"] == 0
    assert samples['kasm_recd_refusing{reason="disk_free_low"}'] == 1
    assert samples["kasm_recd_oldest_unstored_seconds"] == 10
    assert samples['kasm_recd_queue_age_seconds{queue="cut"}'] == 7.5
    assert samples['kasm_recd_disk_used_ratio{folder="/rec"}'] == 0.5
    assert samples["process_open_fds"] > 0


def test_without_a_recorder_the_rest_is_still_told() -> None:
    found = gauges({"healthy": True, "refusing": None, "draining": False}, [], now=0.0)

    samples = rendered(metrics.render(lambda: found))
    assert samples["kasm_recd_admitting"] == 1
    assert not [name for name in samples if name.startswith(("kasm_recd_ref", "kasm_recd_queue"))]


def test_a_first_breach_is_an_increase_whatever_its_kind() -> None:
    samples = rendered(metrics.render(dict))
    for kind in BreachKind:
        assert f'kasm_recd_breaches_total{{kind="{kind}"}}' in samples


def test_an_unknown_counter_or_label_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        metrics.count("kasm_recd_nothing_total")
    with pytest.raises(ValueError, match="label"):
        metrics.count("kasm_recd_encodes_total", outcom="encoded")


@pytest.mark.parametrize("name", ["grafana-dashboard.json", "alerts.yml"])
def test_only_registered_metrics_are_drawn_and_warned_of(name: str) -> None:
    text = (CONFIG / name).read_text()
    used = set(NAME.findall(text))

    assert len(used) >= 10
    assert used - METRICS.keys() == set()
    if name.endswith(".json"):
        board = json.loads(text)
        places = [tuple(panel["gridPos"][axis] for axis in "xy") for panel in board["panels"]]
        assert len(set(places)) == len(places) > 10


def promtool(*arguments: str, stdin: bytes = b"", folder: Path | None = None) -> str:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on this machine (package prometheus)")
    done = subprocess.run(
        ["promtool", *arguments],
        input=stdin,
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    told = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, told
    return told


def test_promtool_takes_the_alert_rules_and_they_fire_when_they_should(tmp_path: Path) -> None:
    shutil.copy(CONFIG / "alerts.yml", tmp_path)
    shutil.copy(ROOT / "tests/data/alerts.test.yml", tmp_path)

    promtool("check", "rules", "alerts.yml", folder=tmp_path)
    promtool("test", "rules", "alerts.test.yml", folder=tmp_path)


def test_promtool_takes_what_is_exposed() -> None:
    found = gauges(STATUS, [Room("/rec", 10, 0.5)], now=100.0)
    promtool("check", "metrics", stdin=metrics.render(lambda: found))
