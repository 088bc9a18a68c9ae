"""What Prometheus sees of a session from its admission to its clip in the store."""

from __future__ import annotations

import http.client
import socket
from typing import TYPE_CHECKING

from kasm_recd.metrics.registry import METRICS
from tests.fixtures_daemon import wait_until
from tests.test_metrics import promtool, rendered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_daemon import DaemonProcess
    from tests.fixtures_guacd import GuacdWriter


def scrape(socket_path: Path) -> bytes:
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(str(socket_path))
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = answer.read()
    connection.close()
    return found


def test_a_session_is_seen_by_prometheus_from_admission_to_store(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
) -> None:
    daemon = make_daemon().start()
    _, answer = daemon.admit("k-1")
    daemon.admit("k-1")
    daemon.admit("k-2", record_sessions=False)
    daemon.ask("POST", "/v1/admission", {})
    source = recordings("ssh-idle.guac")
    writer = guacd_writer(source, daemon.recordings / answer["recording_name"], "--hold")
    writer.wait_written()
    writer.close()
    clips = daemon.folder / "clips"
    wait_until((clips / "k-1.0000.json").exists, "the manifest is stored")
    wait_until(daemon.idle, "nothing is at work")

    text = scrape(daemon.socket)
    found = rendered(text)
    assert found['kasm_recd_admissions_total{decision="allow",reason=""}'] == 1
    assert found['kasm_recd_admissions_total{decision="repeat",reason=""}'] == 1
    assert found['kasm_recd_admissions_total{decision="unrecorded",reason=""}'] == 1
    assert found["kasm_recd_bad_requests_total"] == 1
    assert found["kasm_recd_segments_sealed_total"] == 1
    assert found["kasm_recd_segments_sealed_bytes_total"] == source.stat().st_size
    assert found['kasm_recd_encodes_total{outcome="encoded"}'] == 1
    assert found["kasm_recd_encode_seconds_total"] > 0
    assert found["kasm_recd_encoded_recorded_seconds_total"] > 0
    assert found['kasm_recd_segments_stored_total{form="clip"}'] == 1
    stored = sum(path.stat().st_size for path in clips.rglob("*") if path.is_file())
    assert found["kasm_recd_upload_bytes_total"] == stored
    assert found["kasm_recd_admitting"] == 1
    assert found["kasm_recd_bytes_at_risk"] == 0
    assert found["kasm_recd_oldest_unstored_seconds"] == 0
    told = {name.partition("{")[0] for name in found if name.startswith("kasm_recd_")}
    absent = {"kasm_recd_refusing", "kasm_recd_damage_total", "kasm_recd_damage_bytes_total"}
    assert METRICS.keys() - told <= absent | {"kasm_recd_segments_raw_total"}
    promtool("check", "metrics", stdin=text)
