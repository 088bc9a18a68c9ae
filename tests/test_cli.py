"""The commands as an operator types them: what they print, and how they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_daemon import DaemonProcess


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``run("status", "--json")`` in an empty folder, without this machine's settings."""
    clean = {name: value for name, value in os.environ.items() if "KASM_RECD" not in name}

    def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kasm_recd", *words],
            env=clean | environ,
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
            timeout=100,
        )

    return run


def test_valid_settings_are_shown_with_the_secrets_masked(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    secret = {"KASM_RECD_RECORDING_OBJECT_STORAGE_SECRET": "hunter2"}
    told = run("check-config", "--config", "", "--json", **secret)
    assert told.returncode == 0
    settings = json.loads(told.stdout)["settings"]
    assert settings["session_recording_framerate"] == 2
    assert "hunter2" not in told.stdout + told.stderr
    shown = run("check-config", "--config", "")
    assert "session_recording_framerate" in shown.stdout


def test_invalid_settings_end_with_3_and_say_what_where_and_what_to_do(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    config = tmp_path / "kasm-recd.toml"
    config.write_text("session_recording_framerate = 0\n")
    told = run("check-config", "--config", str(config))
    assert told.returncode == 3
    assert "session_recording_framerate" in told.stderr
    assert str(config) in told.stderr
    assert "what to do" in told.stderr


@pytest.mark.parametrize(
    "words", [(), ("nonsense",), ("encode", "x.guac"), ("encode", "x", "-o", "y", "--size", "7x8")]
)
def test_a_wrong_call_ends_with_2(
    run: Callable[..., subprocess.CompletedProcess[str]], words: tuple[str, ...]
) -> None:
    told = run(*words)
    assert told.returncode == 2
    assert "usage: kasm-recd" in told.stderr


def test_inspect_tells_a_recording_as_json(
    run: Callable[..., subprocess.CompletedProcess[str]], recordings: Callable[[str], Path]
) -> None:
    told = run("inspect", str(recordings("ssh-title-9c.guac")))
    assert told.returncode == 0
    found = json.loads(told.stdout)
    assert found["duration_ms"] == 33_855
    assert found["display_sizes"] == [[1280, 720]]
    assert [damage["kind"] for damage in found["damage"]] == ["invalid", "doubtful"]


def test_encode_makes_a_clip_that_plays(
    run: Callable[..., subprocess.CompletedProcess[str]],
    recordings: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    source = recordings("reconnect.guac")
    told = run("encode", str(source), "-o", "out.mp4", "--size", "640x360", "--encoder", "native")
    assert told.returncode == 0, told.stderr
    assert "7.4 s, 640x360" in told.stderr
    probed = subprocess.check_output(
        [
            *("ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height"),
            *("-of", "csv=p=0", str(tmp_path / "out.mp4")),
        ],
        text=True,
    )
    assert probed.strip() == "h264,640,360"


def test_encode_of_what_cannot_be_seen_leaves_the_output_alone(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "keys.guac").write_bytes(b"3.key,2.97,1.1,4.1000;4.sync,4.1000;")
    (tmp_path / "out.mp4").write_bytes(b"precious")
    told = run("encode", "keys.guac", "-o", "out.mp4")
    assert told.returncode == 1
    assert "nothing that a clip could show" in told.stderr
    assert "kasm-recd inspect" in told.stderr
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"
    assert {path.name for path in tmp_path.iterdir()} == {"keys.guac", "out.mp4"}


def test_a_file_that_is_not_there_is_named(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    told = run("inspect", "nowhere.guac")
    assert told.returncode == 1
    assert "nowhere.guac" in told.stderr


def test_status_without_a_daemon_says_so_and_reads_its_journal(
    run: Callable[..., subprocess.CompletedProcess[str]],
    make_daemon: Callable[..., DaemonProcess],
) -> None:
    daemon = make_daemon()
    words = ("status", "--config", "", "--socket", str(daemon.socket))
    settings = {"KASM_RECD_SPOOL_DIR": str(daemon.spool)}
    nothing = run(*words, **settings)
    assert nothing.returncode == 1
    assert "systemctl start kasm-recd" in nothing.stderr

    daemon.start()
    running = run(*words, "--json", **settings)
    assert running.returncode == 0
    found = json.loads(running.stdout)
    assert (found["running"], found["bytes_at_risk"]) == (True, 0)
    daemon.stop()
    stopped = run(*words, "--json", **settings)
    assert stopped.returncode == 1
    assert json.loads(stopped.stdout)["running"] is False


def test_drain_without_a_daemon_is_no_success(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    told = run("drain", "--socket", str(tmp_path / "nobody.sock"))
    assert told.returncode == 1
    assert "no answer from the daemon" in told.stderr
