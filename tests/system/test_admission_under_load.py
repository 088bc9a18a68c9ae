"""Many brokers at once, a disk with room for some of them, and a restart under load."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pytest

from kasm_recd import journal
from kasm_recd.client import admit
from kasm_recd.recorder import JOURNAL_NAME
from tests.fixtures_daemon import DaemonProcess, wait_until
from tests.small_disks import mounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kasm_recd.client import Admission

MB: Final = 10**6
ROOM_FOR: Final = 50  # sessions
SETTINGS: Final = {"session_reserve": "1MB", "min_free": "4MB", "appear_within": "30m"}
RATE: Final = 300  # requests a second
BEFORE, AFTER, MOST_OPEN = 300, 300, 1000  # requests


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 50 sessions, and not for one more."""
    size = f"size={4 * MB + ROOM_FOR * MB + MB // 2}"
    with mounted(tmp_path / "small", size, of="ADMISSION ON A SMALL DISK") as folder:
        yield folder


def test_two_hundred_brokers_at_once_get_the_room_that_there_is_and_no_more(
    make_daemon: Callable[..., DaemonProcess], small_disk: Path
) -> None:
    daemon = make_daemon(recording_dir=small_disk, **SETTINGS).start()
    all_at_once = threading.Barrier(200)

    def ask(number: int) -> Admission:
        all_at_once.wait(60)
        request = {"kasm_id": f"k-{number}", "record_sessions": True}
        return admit(daemon.socket, request, timeout_s=60)

    with ThreadPoolExecutor(200) as brokers:
        answers = list(brokers.map(ask, range(200)))
    assert Counter(each.reason for each in answers) == {"": ROOM_FOR, "disk_free_low": 150}
    for each in answers:
        if not each.allow:
            assert each.figures["needed"] == (ROOM_FOR + 1) * MB
            assert each.figures["sessions"] == ROOM_FOR + 1
    number = next(number for number, each in enumerate(answers) if each.allow)
    again = admit(daemon.socket, {"kasm_id": f"k-{number}", "record_sessions": True})
    assert again == answers[number], "who asks again is told the same"
    assert daemon.ask("GET", f"/v1/sessions/k-{number}")[1]["state"] == "pending"


class UnderSystemd(DaemonProcess):
    """A daemon that is handed the socket which this process, as systemd, listens on."""

    def __init__(self, folder: Path, **settings: object) -> None:
        super().__init__(folder, **settings)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(self.socket))
        self.listening.listen(4096)

    def start(self, *, wait: bool = True) -> UnderSystemd:
        hand = f'exec 3<&{self.listening.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
        argv = [sys.executable, *self.program, "run", "--config", "", "--socket", str(self.socket)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", hand, "bash", *argv],
                cwd=self.folder,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[self.listening.fileno()],
            )
        if wait:
            self.wait_healthy()
        return self


@pytest.fixture
def daemon(tmp_path: Path, small_disk: Path) -> Iterator[UnderSystemd]:
    made = UnderSystemd(tmp_path, recording_dir=small_disk, **SETTINGS)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()
    made.listening.close()


class Load:
    """Asks at an even rate, whatever the answers take; every third question is an old one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stop = asyncio.Event()
        self.answers: list[tuple[str, int, dict[str, Any]]] = []
        self.asked = 0
        self.task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self.task = asyncio.create_task(self.run())

    async def end(self) -> None:
        """Asks no more, and waits for what was asked."""
        self.stop.set()
        assert self.task is not None
        await asyncio.wait_for(self.task, 60)

    async def run(self) -> None:
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            while not self.stop.is_set():
                if self.asked - len(self.answers) < MOST_OPEN:
                    number = self.asked // 2 if self.asked % 3 == 0 else self.asked
                    group.create_task(self._ask(f"k-{number}"))
                    self.asked += 1
                due = began + self.asked / RATE
                await asyncio.sleep(max(0.001, due - asyncio.get_running_loop().time()))

    async def _ask(self, kasm_id: str) -> None:
        """One connection for each question, as curl does; whatever fails fails the test."""
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        body = json.dumps({"kasm_id": kasm_id, "record_sessions": True}).encode()
        head = f"POST /v1/admission HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        answer = await reader.read()
        writer.close()
        head_of, _, content = answer.partition(b"\r\n\r\n")
        self.answers.append((kasm_id, int(head_of.split()[1]), json.loads(content)))

    async def answered(self, count: int) -> None:
        async with asyncio.timeout(60):
            while True:
                if len(self.answers) >= count:
                    return
                if self.task is not None and self.task.done():
                    self.task.result()  # somebody went unanswered: why
                await asyncio.sleep(0.01)


async def test_a_restart_under_load_refuses_nobody_and_promises_nothing_wrong(
    daemon: UnderSystemd,
) -> None:
    daemon.start()
    load = Load(daemon.socket)
    load.begin()
    await load.answered(BEFORE)
    assert await asyncio.to_thread(daemon.stop) == 0
    daemon.start(wait=False)  # it will not say that it is healthy: the disk is all promised
    await load.answered(len(load.answers) + AFTER)
    await load.end()

    assert len(load.answers) == load.asked, "nobody went unanswered"
    told = Counter((status, answer.get("reason")) for _, status, answer in load.answers)
    assert told.keys() == {(200, None), (403, "disk_free_low")}, told
    names: dict[str, set[str]] = {}
    for kasm_id, status, answer in load.answers:
        if status == 200:
            names.setdefault(kasm_id, set()).add(answer["recording_name"])
    assert len(names) == ROOM_FOR, "before and after, what was promised is counted"
    daemon.stop()
    with journal.read_only(daemon.spool / JOURNAL_NAME) as reads:
        for kasm_id, given in names.items():
            session = reads.session(kasm_id)
            assert session is not None, "an allow was durable before it was said"
            assert given == {session.recording_name}


def test_a_session_is_followed_from_its_promise_to_its_clips(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., Any],
    recordings: Callable[[str], Path],
) -> None:
    daemon = make_daemon().start()

    def state() -> str:
        return str(daemon.ask("GET", "/v1/sessions/k-1")[1].get("state"))

    assert state() == "None"
    name = daemon.allowed_name("k-1")
    assert state() == "pending"
    writer = guacd_writer(recordings("vnc-idle.guac"), daemon.recordings / name, "--hold")
    wait_until(lambda: state() == "recording", "the recording appears")
    writer.wait_written()
    writer.close()
    wait_until(lambda: state() == "stored", "its clips are in the store")
    found = daemon.ask("GET", "/v1/sessions/k-1")[1]
    (recording,) = found["recordings"]
    (segment,) = recording["segments"]
    assert (recording["name"], segment["key"], found["breaches"]) == (name, "k-1.0000.mp4", [])
    assert segment["state"] in ("stored", "purged")
    assert (daemon.folder / "clips" / segment["key"]).exists()
