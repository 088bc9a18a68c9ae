"""A recording goes in; a verified clip comes out of the store, and nothing is left behind."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

from tests.fixtures_daemon import play, swift_settings, wait_until
from tests.values import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_daemon import DaemonProcess
    from tests.fixtures_guacd import GuacdWriter
    from tests.swift_server import SwiftServer


def probe(clip: Path) -> dict[str, Any]:
    shown = subprocess.run(
        [
            *("ffprobe", "-v", "error", "-of", "json", "-show_format"),
            *("-show_entries", "stream=codec_name,pix_fmt,width,height", str(clip)),
        ],
        check=True,
        capture_output=True,
    ).stdout
    found: dict[str, Any] = json.loads(shown)
    return found


def moov_comes_before_mdat(clip: bytes) -> bool:
    """Whether the index precedes the pictures, by the top-level boxes of ISO/IEC 14496-12."""
    names, place = [], 0
    while place < len(clip):
        size = int.from_bytes(clip[place : place + 4])
        names.append(clip[place + 4 : place + 8])
        place += size
    return names.index(b"moov") < names.index(b"mdat")


def test_an_announced_recording_becomes_a_clip_beside_its_manifest(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
) -> None:
    daemon = make_daemon().start()
    status, answer = daemon.admit("k-1", username="Zoë")
    assert (status, answer["decision"]) == (200, "allow")
    assert answer["recording_path"] == str(daemon.recordings)

    source = recordings("ssh-idle.guac")
    writer = guacd_writer(source, daemon.recordings / answer["recording_name"], "--hold")
    writer.wait_written()
    wait_until(lambda: daemon.events("recording.appeared"), "the recording is seen")
    assert not daemon.events("recording.finished"), "it is still locked"
    writer.close()

    clips = daemon.folder / "clips"
    wait_until((clips / "k-1.0000.json").exists, "the manifest is stored")
    wait_until(daemon.idle, "nothing is at work")
    manifest = json.loads((clips / "k-1.0000.json").read_bytes())
    assert manifest["session"]["username"] == "Zoë"
    assert manifest["segment"]["length"] == source.stat().st_size
    assert manifest["segment"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert manifest["contains_keys"] is True
    for artifact in manifest["artifacts"]:
        stored = (clips / f"k-1.0000{SUFFIXES[artifact['role']]}").read_bytes()
        assert hashlib.sha256(stored).hexdigest() == artifact["sha256"]
        assert len(stored) == artifact["size"]
    assert {artifact["role"] for artifact in manifest["artifacts"]} == SUFFIXES.keys() - {"raw"}
    activity = json.loads((clips / "k-1.0000.seek" / "activity.json").read_bytes())
    pressed = re.findall(rb"3\.key,\d+\.\d+,1\.1,", source.read_bytes())
    assert sum(activity["keys"]) == len(pressed) > 0

    told = daemon.events()
    for event in ("recording.finished", "segment.sealed", "segment.encoded", "clip.stored"):
        assert {line["kasm_id"] for line in told if line["event"] == event} == {"k-1"}, event

    clip = clips / "k-1.0000.mp4"
    found = probe(clip)
    assert found["streams"][0] == {
        "codec_name": "h264",
        "pix_fmt": "yuv420p",
        "width": 720,
        "height": 480,
    }
    assert abs(float(found["format"]["duration"]) - 299.921) <= 0.5
    assert moov_comes_before_mdat(clip.read_bytes())
    assert not list(daemon.recordings.iterdir())
    assert daemon.spool_is_empty()
    assert daemon.stop() == 0


def test_what_guacd_writes_reaches_a_real_object_store(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
    swift: SwiftServer,
    swift_bucket: str,
) -> None:
    daemon = make_daemon(**swift_settings(swift, swift_bucket)).start()
    names = ("reconnect.guac", "reconnect.guac.1", "rdp-failed-login.guac", "abrupt-midins.guac")
    for number, name in enumerate(names):
        answer = daemon.admit(f"k-{number}")[1]
        guacd_writer(recordings(name), daemon.recordings / answer["recording_name"]).wait_written()
    wait_until(lambda: len(daemon.events("clip.stored")) == len(names), "all are stored")
    wait_until(daemon.idle, "nothing is at work")

    stored = swift.contents(swift_bucket)
    for number, name in enumerate(names):
        manifest = json.loads(stored[f"clips/demo/k-{number}.0000.json"])
        for artifact in manifest["artifacts"]:
            body = stored[f"clips/demo/k-{number}.0000{SUFFIXES[artifact['role']]}"]
            assert hashlib.sha256(body).hexdigest() == artifact["sha256"]
        if name == "abrupt-midins.guac":
            assert [damage["kind"] for damage in manifest["damage"]] == ["torn"]
            assert stored[f"clips/demo/k-{number}.0000.guac"] == recordings(name).read_bytes()
    assert daemon.spool_is_empty()


def test_a_recording_with_nothing_to_see_is_stored_raw(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    tmp_path: Path,
) -> None:
    source = tmp_path / "keys-only.guac"
    source.write_bytes(b"4.size,1.0,1.0,1.0;3.key,2.97,1.1,6.123456;4.sync,6.123456,1.0;")
    daemon = make_daemon().start()
    play(daemon, guacd_writer, source)
    wait_until(lambda: daemon.events("clip.stored"), "it is stored")
    clips = daemon.folder / "clips"
    assert (clips / "k-1.0000.guac").read_bytes() == source.read_bytes()
    manifest = json.loads((clips / "k-1.0000.json").read_bytes())
    assert (manifest["form"], manifest["cause"]) == ("raw", "empty")
    assert not (clips / "k-1.0000.mp4").exists()


def test_a_recording_that_nobody_announced_is_still_processed(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
) -> None:
    daemon = make_daemon().start()
    (daemon.recordings / "known.json").write_text('{"kasm_id": "k-7", "username": "ann"}')
    for name in ("stray", "known"):
        guacd_writer(recordings("vnc-idle.guac"), daemon.recordings / name).wait_written()
    wait_until(lambda: len(daemon.events("clip.stored")) == 2, "both are stored")
    clips = daemon.folder / "clips"
    assert sorted(path.name for path in clips.glob("*.mp4")) == [
        "k-7.0000.mp4",
        "unannounced.0000.mp4",
    ]
    manifest = json.loads((clips / "unannounced.0000.json").read_bytes())
    assert manifest["session"]["announced"] is False
    assert manifest["recording"]["name"] == "stray"


def test_a_reconnect_belongs_to_the_session_that_owns_the_name(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
) -> None:
    daemon = make_daemon().start()
    name = daemon.allowed_name("k-1")
    first = guacd_writer(recordings("reconnect.guac"), daemon.recordings / name, "--hold")
    first.wait_written()
    second = guacd_writer(recordings("reconnect.guac.1"), daemon.recordings / name)
    assert second.path.name == f"{name}.1"
    second.wait_written()
    first.close()
    wait_until(lambda: len(daemon.events("clip.stored")) == 2, "both are stored")
    clips = sorted(path.name for path in (daemon.folder / "clips").glob("*.mp4"))
    assert clips == ["k-1.0000.mp4", "k-1.0001.mp4"]
