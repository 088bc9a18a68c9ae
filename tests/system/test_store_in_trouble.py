"""The store is away, hangs, refuses, or is not there: nothing is lost, and it mends itself."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.fixtures_daemon import play, swift_settings, wait_until
from tests.values import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_daemon import DaemonProcess
    from tests.fixtures_guacd import GuacdWriter
    from tests.swift_server import SwiftServer


def failure(daemon: DaemonProcess) -> dict[str, str]:
    failed: dict[str, str] = wait_until(lambda: daemon.events("upload.failed"), "an upload failed")[
        -1
    ]
    return failed


def wait_stored(daemon: DaemonProcess, swift: SwiftServer, bucket: str) -> None:
    wait_until(lambda: daemon.events("clip.stored"), "the clip is stored")
    wait_until(lambda: daemon.idle() and daemon.spool_is_empty(), "the spool is empty")
    (clip,) = (key for key in swift.contents(bucket) if key.endswith(".mp4"))
    stem = clip.removesuffix(".mp4")
    beside = {*(SUFFIXES[role] for role in SUFFIXES if role != "raw"), ".json"}
    assert swift.contents(bucket).keys() == {stem + suffix for suffix in beside}


def test_a_store_that_is_away_gets_the_clip_when_it_is_back(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
    swift: SwiftServer,
    swift_bucket: str,
) -> None:
    daemon = make_daemon(**swift_settings(swift, swift_bucket)).start()
    swift.stop()
    play(daemon, guacd_writer, recordings("vnc-idle.guac"), "k-1")
    failed = failure(daemon)
    assert failed["hint"]
    assert daemon.status()["bytes_at_risk"] > 0
    swift.start()
    wait_stored(daemon, swift, swift_bucket)


def test_a_store_that_hangs_holds_no_upload_for_ever(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
    swift: SwiftServer,
    swift_bucket: str,
) -> None:
    settings = swift_settings(swift, swift_bucket) | {"upload_read_timeout": "1s"}
    daemon = make_daemon(**settings).start()
    swift.pause()
    play(daemon, guacd_writer, recordings("vnc-idle.guac"), "k-1")
    failure(daemon)
    swift.resume()
    wait_stored(daemon, swift, swift_bucket)


def test_a_wrong_secret_is_named_and_mended_by_a_reload(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
    swift: SwiftServer,
    swift_bucket: str,
    tmp_path: Path,
) -> None:
    settings = swift_settings(swift, swift_bucket)
    right = str(settings.pop("recording_object_storage_secret"))
    config = tmp_path / "kasm-recd.toml"
    config.write_text('recording_object_storage_secret = "WRONG-hunter2"\n')
    daemon = make_daemon(**settings)
    daemon.config = config
    daemon.start()
    play(daemon, guacd_writer, recordings("vnc-idle.guac"), "k-1")
    failed = failure(daemon)
    assert failed["level"] == "error"
    assert "secret" in failed["hint"]
    config.write_text(f'recording_object_storage_secret = "{right}"\n')
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    wait_stored(daemon, swift, swift_bucket)
    assert "hunter2" not in daemon.log.read_text()


def test_a_missing_bucket_stalls_nobody_and_is_used_once_it_is_there(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
    swift: SwiftServer,
    swift_bucket: str,
) -> None:
    missing = f"{swift_bucket}-missing"
    daemon = make_daemon(**swift_settings(swift, missing)).start()
    play(daemon, guacd_writer, recordings("vnc-idle.guac"), "k-1")
    assert missing in failure(daemon)["error"]
    assert daemon.admit("k-2")[0] == 200, "a bucket out of order is no reason to refuse"
    daemon.stop()

    # The same spool, another location: what has its key keeps it, what is new is not held up.
    daemon.settings |= swift_settings(swift, swift_bucket)
    daemon.start()
    play(daemon, guacd_writer, recordings("vnc-idle.guac"), "k-3")
    wait_until(lambda: daemon.events("clip.stored"), "the new clip is stored")
    assert "clips/demo/k-3.0000.json" in swift.contents(swift_bucket)
    swift.create_bucket(missing)
    wait_until(lambda: len(daemon.events("clip.stored")) == 2, "the old one too")
    assert "clips/demo/k-1.0000.json" in swift.contents(missing)


def test_another_content_under_the_key_moves_the_clip_to_the_next_number(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
    swift: SwiftServer,
    swift_bucket: str,
) -> None:
    swift.client.put_object(Bucket=swift_bucket, Key="clips/demo/k-1.0000.mp4", Body=b"theirs")
    daemon = make_daemon(**swift_settings(swift, swift_bucket)).start()
    play(daemon, guacd_writer, recordings("vnc-idle.guac"), "k-1")
    wait_until(lambda: daemon.events("clip.stored"), "the clip is stored")
    stored = swift.contents(swift_bucket)
    assert stored["clips/demo/k-1.0000.mp4"] == b"theirs"
    assert {"clips/demo/k-1.0001.mp4", "clips/demo/k-1.0001.json"} < set(stored)
