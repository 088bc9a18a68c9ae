"""The server over a real Unix socket."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import structlog

from kasm_recd.admission import AdmissionServer, Allowed, Facts, Judge, Peer, Room, listen
from kasm_recd.admission.rate import Rate
from kasm_recd.errors import DiskFull, JournalCorrupt, NameInUse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from kasm_recd.breach import Breach
    from kasm_recd.metrics import Gauges
    from kasm_recd.session import Session

ROOM = Room("/rec", available=10**12, used_fraction=0.1)


def good_facts() -> Facts:
    return Facts(
        at=time.monotonic(),
        recording_dir="/rec",
        recording_room=ROOM,
        spool_room=ROOM,
        min_free=10**9,
        disk_limit=0.9,
    )


@dataclass
class Daemon:
    """What the daemon hands in: facts, a journal in memory, figures, the drain switch."""

    path: Path
    server: AdmissionServer = field(init=False)
    changes: dict[str, Any] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    taken_back: list[str] = field(default_factory=list)
    appeared: bool = False
    bookings: int = 0
    told_again: list[int] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    draining: bool = False
    trouble: Exception | None = None
    booking: asyncio.Event = field(default_factory=asyncio.Event)
    may_book: asyncio.Event = field(default_factory=asyncio.Event)
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    drain_uids: frozenset[int] = frozenset({0, os.getuid()})
    judge: Judge = field(default_factory=lambda: Judge(60.0))
    allowed: Allowed = field(default_factory=Allowed)
    rate: Rate = field(default_factory=lambda: Rate(0))

    async def ready(self) -> None:
        await self.is_ready.wait()

    def facts(self) -> Facts:
        return replace(good_facts(), draining=self.draining, **self.changes)

    async def book(self, session: Session) -> Session:
        self.bookings += 1
        self.booking.set()
        await self.may_book.wait()
        if self.trouble:
            raise self.trouble
        for known in self.sessions.values():
            if known.recording_name == session.recording_name and known.kasm_id != session.kasm_id:
                raise NameInUse(f"recording name {known.recording_name!r} is another session's")
        return self.sessions.setdefault(session.kasm_id, session)

    async def unbook(self, session: Session) -> None:
        self.taken_back.append(session.kasm_id)

    def again(self, session_id: int) -> bool:
        self.told_again.append(session_id)
        return not self.appeared

    async def settle(self, kasm_id: str) -> list[Breach]:
        self.settled.append(kasm_id)
        return []

    def gauges(self) -> Gauges:
        return {}

    def forecast_s(self) -> float | None:
        return 77.5

    def session(self, kasm_id: str) -> Mapping[str, Any] | None:
        return {"kasm_id": kasm_id, "state": "pending"} if kasm_id in self.sessions else None

    def status(self) -> Mapping[str, Any]:
        return {"segments": {"stored": 3}, "bytes_at_risk": 0}

    def drain(self) -> None:
        self.draining = True

    async def ask(
        self, target: str = "/v1/admission", content: Any = None, *, method: str = "POST"
    ) -> tuple[int, dict[str, Any]]:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        connector = aiohttp.UnixConnector(path=str(self.path))
        async with (
            aiohttp.ClientSession(connector=connector) as client,
            client.request(method, f"http://recd{target}", data=body) as answer,
        ):
            assert answer.content_type == "application/json"
            return answer.status, await answer.json()

    async def admit(self, **fields: Any) -> tuple[int, dict[str, Any]]:
        return await self.ask(content={"kasm_id": "k1", "record_sessions": True} | fields)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    daemon = Daemon(tmp_path / "admission.sock")
    daemon.may_book.set()
    daemon.is_ready.set()
    server = daemon.server = serve(daemon)
    await server.start()
    yield daemon
    await server.close()
    assert not daemon.path.exists()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)


def serve(daemon: Daemon) -> AdmissionServer:
    return AdmissionServer(listen(daemon.path), daemon, drain_uids=daemon.drain_uids)


async def test_an_allowed_session_is_told_where_to_record_and_is_registered(
    daemon: Daemon,
) -> None:
    status, answer = await daemon.admit(username="zoë")
    assert status == 200
    assert answer == {
        "decision": "allow",
        "recording_path": "/rec",
        "recording_name": daemon.sessions["k1"].recording_name,
        "disk_full_in_s": 77.5,
    }
    assert answer["recording_name"].startswith("k1-")
    assert daemon.sessions["k1"].username == "zoë"


async def test_nothing_is_answered_before_the_session_is_durable(daemon: Daemon) -> None:
    daemon.may_book.clear()
    asking = asyncio.create_task(daemon.admit())
    await asyncio.wait_for(daemon.booking.wait(), 10)
    await asyncio.wait({asking}, timeout=0.1)
    assert not asking.done()
    daemon.may_book.set()
    assert (await asking)[0] == 200


async def test_an_allow_is_said_only_if_it_still_holds_after_the_write(daemon: Daemon) -> None:
    daemon.may_book.clear()
    asking = asyncio.create_task(daemon.admit())
    await asyncio.wait_for(daemon.booking.wait(), 10)
    daemon.draining = True
    daemon.may_book.set()
    status, answer = await asking
    assert (status, answer["decision"], answer["reason"]) == (403, "deny", "draining")
    assert "recording_name" not in answer
    assert daemon.taken_back == ["k1"]
    assert len(daemon.judge.ledger) == 0


async def test_a_repeated_kasm_id_gets_the_same_name(daemon: Daemon) -> None:
    _, first = await daemon.admit()
    _, second = await daemon.admit(recording_name="another")
    assert first == second


async def test_a_repeat_is_told_from_its_booking_while_it_is_pending(daemon: Daemon) -> None:
    _, first = await daemon.admit()
    daemon.trouble = OSError("the journal is not asked")
    daemon.changes = {"recording_room": replace(ROOM, available=0)}
    assert await daemon.admit() == (200, first)
    assert daemon.told_again == [0]
    daemon.draining = True
    assert (await daemon.admit())[1]["reason"] == "draining"


async def test_once_its_recording_appeared_a_session_is_judged_anew(daemon: Daemon) -> None:
    await daemon.admit()
    daemon.appeared = True
    assert (await daemon.admit())[0] == 200
    daemon.changes = {"recording_room": replace(ROOM, available=0)}
    assert (await daemon.admit())[1]["reason"] == "disk_free_low"


async def test_those_who_ask_for_one_session_at_once_get_one_answer(daemon: Daemon) -> None:
    daemon.may_book.clear()
    asking = [asyncio.create_task(daemon.admit()) for _ in range(5)]
    await asyncio.wait_for(daemon.booking.wait(), 10)
    daemon.may_book.set()
    answers = await asyncio.gather(*asking)
    assert [answer for answer in answers if answer != answers[0]] == []
    assert daemon.bookings == 1


async def test_new_settings_meanwhile_mean_a_new_judgement(daemon: Daemon) -> None:
    daemon.may_book.clear()
    asking = asyncio.create_task(daemon.admit())
    await asyncio.wait_for(daemon.booking.wait(), 10)
    daemon.judge = Judge(60.0)
    daemon.changes = {"min_free": 10**15}
    daemon.may_book.set()
    assert (await asyncio.wait_for(asking, 10))[1]["reason"] == "disk_free_low"


async def test_questions_wait_for_the_first_facts(daemon: Daemon) -> None:
    daemon.is_ready.clear()
    daemon.draining = True
    asking = asyncio.create_task(daemon.admit())
    assert (await daemon.ask("/v1/health", method="GET"))[0] == 503
    assert (await daemon.admit(kasm_id="k2", record_sessions=False))[0] == 200
    assert not asking.done()
    daemon.draining = False
    daemon.is_ready.set()
    assert (await asking)[0] == 200


async def test_what_became_of_a_session_is_told(daemon: Daemon) -> None:
    await daemon.admit(kasm_id="k/1")
    assert await daemon.ask("/v1/sessions/k%2F1", method="GET") == (
        200,
        {"kasm_id": "k/1", "state": "pending"},
    )
    status, answer = await daemon.ask("/v1/sessions/k2", method="GET")
    assert (status, answer["error"]) == (404, "unknown_session")


async def test_a_user_who_may_not_ask_is_refused_everywhere(daemon: Daemon) -> None:
    class Nobody(Allowed):
        def admits(self, peer: Peer) -> bool:
            return peer.uid != os.getuid()

    daemon.allowed = Nobody()
    for target, method in [("/v1/admission", "POST"), ("/v1/health", "GET"), ("/metrics", "GET")]:
        status, answer = await daemon.ask(target, {"kasm_id": "k1"}, method=method)
        assert (status, answer["reason"]) == (403, "peer_not_allowed")
    assert answer["uid"] == os.getuid()


async def test_whoever_asks_too_often_is_refused_for_that(daemon: Daemon) -> None:
    daemon.rate = Rate(1)
    answers = [await daemon.admit() for _ in range(6)]
    assert [status for status, _ in answers[:4]] == [200] * 4
    assert {status for status, _ in answers[4:]} <= {200, 429}
    refused = [answer for status, answer in answers if status == 429]
    assert refused[0]["reason"] == "rate_limited"


async def test_who_is_accepted_in_the_very_turn_of_a_stop_is_answered(daemon: Daemon) -> None:
    told = asyncio.Event()

    async def stop() -> None:
        await told.wait()
        await daemon.server.stop()

    stopping = asyncio.create_task(stop())
    await asyncio.sleep(0)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(daemon.path))
        peer.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        # One turn runs this, then accepts; the next wakes the stop, then the peer's task.
        asyncio.get_running_loop().call_soon(told.set)
        await asyncio.wait_for(stopping, 30)
        peer.settimeout(30)
        assert peer.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 503")


async def test_a_stop_accepts_nobody_and_answers_everybody_accepted(daemon: Daemon) -> None:
    """Three who came before it: in the journal's hands, half said, and not a word said yet."""
    daemon.may_book.clear()
    waiting = asyncio.create_task(daemon.admit())
    await asyncio.wait_for(daemon.booking.wait(), 10)
    half, silent = [await asyncio.open_unix_connection(str(daemon.path)) for _ in range(2)]
    body = json.dumps({"kasm_id": "k9", "record_sessions": False}).encode()
    request = b"POST /v1/admission HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    half[1].write(request[:30])
    await until(lambda: len(daemon.server.heard_nothing()) == 3)
    stopping = asyncio.create_task(daemon.server.stop())
    await until(lambda: daemon.server.is_stopping)
    with pytest.raises(OSError, match=r"refused|No such file"):
        await asyncio.open_unix_connection(str(daemon.path))
    half[1].write(request[30:] + body)
    silent[1].write(request + body)
    for reader, writer in (half, silent):
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"Connection: close" in answer
        writer.close()
    assert not stopping.done(), "the journal is not let go while somebody waits for it"
    daemon.may_book.set()
    assert (await waiting)[0] == 200
    await asyncio.wait_for(stopping, 10)


async def test_every_session_gets_a_name_of_its_own(daemon: Daemon) -> None:
    answers = await asyncio.gather(*(daemon.admit(kasm_id=f"k/{n % 10}") for n in range(50)))
    assert {status for status, _ in answers} == {200}
    assert len({answer["recording_name"] for _, answer in answers}) == 10


async def test_a_wished_name_is_granted_once(daemon: Daemon) -> None:
    status, answer = await daemon.admit(recording_name="wished")
    assert (status, answer["recording_name"]) == (200, "wished")
    status, answer = await daemon.admit(kasm_id="k2", recording_name="wished")
    assert (status, answer["decision"], answer["reason"]) == (403, "deny", "name_in_use")
    assert answer["recording_name"] == "wished"


async def test_a_refusal_carries_reason_sentence_and_figures(daemon: Daemon) -> None:
    daemon.changes = {"spool_room": Room("/spool", available=5, used_fraction=0.1)}
    status, answer = await daemon.admit()
    assert status == 403
    assert answer == {
        "decision": "deny",
        "reason": "disk_free_low",
        "message": "5 bytes are free for /spool, 1 sessions may need 0 of them, and 1000000000 are "
        "to stay free.",
        "folder": "/spool",
        "available": 5,
        "needed": 0,
        "min_free": 10**9,
        "sessions": 1,
        "disk_full_in_s": 77.5,
    }
    assert daemon.sessions == {}


async def test_a_staged_session_that_must_be_recorded_is_refused(daemon: Daemon) -> None:
    status, answer = await daemon.admit(staged=True)
    assert (status, answer["reason"]) == (403, "staged_session")


async def test_an_unrecorded_session_is_allowed_whatever_is_wrong_and_not_registered(
    daemon: Daemon,
) -> None:
    daemon.changes = {"settings_error": "bad", "recording_room": None, "at": 0.0}
    daemon.draining = True
    daemon.trouble = JournalCorrupt("torn")
    status, answer = await daemon.admit(record_sessions=False, staged=True)
    assert status == 200
    assert answer == {"decision": "allow", "recording_path": None, "recording_name": None}
    assert daemon.sessions == {}


@pytest.mark.parametrize(
    ("trouble", "status", "reason"),
    [
        (JournalCorrupt("torn"), 403, "journal_corrupt"),
        (DiskFull("no room for the journal"), 403, "disk_free_low"),
        (OSError("a surprise"), 500, "internal_error"),
        (TimeoutError(), 500, "internal_error"),
    ],
)
async def test_a_journal_in_trouble_is_a_no(
    daemon: Daemon, trouble: Exception, status: int, reason: str
) -> None:
    daemon.trouble = trouble
    code, answer = await daemon.admit()
    assert (code, answer["decision"], answer["reason"]) == (status, "deny", reason)


async def test_a_journal_that_does_not_come_back_is_a_no(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kasm_recd.admission.clerk.BOOK_DEADLINE_S", 0.05)
    daemon.may_book.clear()
    code, answer = await daemon.admit()
    assert (code, answer["decision"]) == (500, "deny")


async def test_facts_that_cannot_be_had_are_a_no(daemon: Daemon) -> None:
    daemon.changes = {"no_such_fact": True}
    for target, method in [("/v1/admission", "POST"), ("/v1/health", "GET")]:
        code, answer = await daemon.ask(
            target, {"kasm_id": "k1", "record_sessions": True}, method=method
        )
        assert (code, answer["decision"]) == (500, "deny")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"record_sessions": True}, "kasm_id"),
        ({"kasm_id": "k1"}, "record_sessions"),
        ({"kasm_id": "k1", "record_sessions": "no"}, "record_sessions"),
        ({"kasm_id": "k1", "record_sessions": True, "recording_name": "a/b"}, "recording_name"),
        ([], ""),
        (b"{", ""),
        (b"[" * 60_000, ""),
    ],
)
async def test_a_bad_request_is_answered_with_the_field(
    daemon: Daemon, body: Any, field: str
) -> None:
    status, answer = await daemon.ask(content=body)
    assert (status, answer["decision"], answer["field"]) == (400, "deny", field)
    assert daemon.sessions == {}


async def test_a_bad_request_is_logged_with_the_session_it_names(daemon: Daemon) -> None:
    with structlog.testing.capture_logs() as logged:
        await daemon.ask(content={"kasm_id": "k1"})
    assert [line["kasm_id"] for line in logged] == ["k1"]


async def test_unknown_fields_are_passed_over_and_logged(daemon: Daemon) -> None:
    with structlog.testing.capture_logs() as logged:
        status, _ = await daemon.admit(zone="eu")
    assert status == 200
    (line,) = [entry for entry in logged if entry["event"] == "admission.unknown_fields"]
    assert line["fields"] == ["zone"]


async def test_each_answer_is_logged_with_the_peer_the_kernel_names(daemon: Daemon) -> None:
    with structlog.testing.capture_logs() as logged:
        await daemon.admit()
        await daemon.admit(staged=True)
    allowed, refused = logged
    assert (allowed["event"], refused["event"]) == ("admission.allowed", "admission.refused")
    assert allowed["peer"] == {"pid": os.getpid(), "uid": os.getuid(), "gid": os.getgid()}
    assert (refused["reason"], refused["kasm_id"]) == ("staged_session", "k1")


async def test_a_body_beyond_the_limit_is_refused(daemon: Daemon) -> None:
    status, answer = await daemon.admit(username="x" * 70_000)
    assert (status, answer["decision"]) == (413, "deny")


async def test_a_body_that_never_ends_is_given_up(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kasm_recd.admission.routes.READ_DEADLINE_S", 0.05)
    reader, writer = await asyncio.open_unix_connection(str(daemon.path))
    writer.write(b"POST /v1/admission HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    first = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert first.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [("GET", "/v1/admission", 405), ("POST", "/v2/admission", 404), ("PUT", "/v1/drain", 405)],
)
async def test_what_is_not_offered_is_a_no(
    daemon: Daemon, method: str, target: str, expected: int
) -> None:
    status, answer = await daemon.ask(target, {}, method=method)
    assert (status, answer["decision"]) == (expected, "deny")


async def test_health_says_whether_recorded_sessions_are_taken_and_why_not(
    daemon: Daemon,
) -> None:
    status, answer = await daemon.ask("/v1/health", method="GET")
    assert (status, answer["status"], answer["reason"]) == (200, "ok", None)
    daemon.changes = {"storage_error": "no upload location"}
    status, answer = await daemon.ask("/v1/health", method="GET")
    assert (status, answer["status"], answer["reason"]) == (
        503,
        "refusing",
        "storage_unconfigured",
    )
    assert answer["parts"]["storage"] == "no upload location"
    assert answer["parts"]["journal"] == "ok"


async def test_status_gives_the_daemons_figures(daemon: Daemon) -> None:
    assert await daemon.ask("/v1/status", method="GET") == (
        200,
        {"segments": {"stored": 3}, "bytes_at_risk": 0},
    )


async def test_a_drain_refuses_recorded_sessions_from_then_on(daemon: Daemon) -> None:
    assert await daemon.ask("/v1/drain", {}) == (200, {"draining": True})
    _, answer = await daemon.admit()
    assert answer["reason"] == "draining"


async def test_breaches_are_settled_by_root_and_the_daemons_user(daemon: Daemon) -> None:
    assert await daemon.ask("/v1/sessions/k%2F1/settle", {}) == (200, {"settled": []})
    assert daemon.settled == ["k/1"]


async def test_breaches_are_not_settled_by_anybody_else(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "admission.sock", drain_uids=frozenset({os.getuid() + 1}))
    server = serve(daemon)
    await server.start()
    assert (await daemon.ask("/v1/sessions/k1/settle", {}))[0] == 403
    assert daemon.settled == []
    await server.close()


async def test_a_drain_by_anybody_else_is_refused(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "admission.sock", drain_uids=frozenset({os.getuid() + 1}))
    server = serve(daemon)
    await server.start()
    status, answer = await daemon.ask("/v1/drain", {})
    await server.close()
    assert (status, answer["error"]) == (403, "forbidden")
    assert not daemon.draining


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
async def test_the_kernel_not_the_peer_says_who_asks_for_a_drain(
    daemon: Daemon, tmp_path: Path
) -> None:
    for folder in [tmp_path, *list(tmp_path.parents)[:-2]]:
        folder.chmod(0o755)
    daemon.path.chmod(0o666)
    stranger = socket.socket(socket.AF_UNIX)
    os.seteuid(65534)
    try:
        stranger.connect(str(daemon.path))
    finally:
        os.seteuid(0)
    reader, writer = await asyncio.open_unix_connection(sock=stranger)
    writer.write(b"POST /v1/drain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    first = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert first.startswith(b"HTTP/1.1 403")
    assert not daemon.draining


async def test_two_hundred_brokers_at_once_are_all_answered(daemon: Daemon) -> None:
    answers = await asyncio.gather(*(daemon.admit(kasm_id=f"k{n}") for n in range(200)))
    assert [status for status, _ in answers] == [200] * 200
    assert len(daemon.sessions) == 200
