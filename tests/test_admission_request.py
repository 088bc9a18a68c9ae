from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kasm_recd.admission.request import NAME_BYTES, BadRequest, issued_name, parse

MINIMAL = {"kasm_id": "f2a6e", "record_sessions": True}


def parsed_with(**changes: Any) -> Any:
    return parse(json.dumps(MINIMAL | changes).encode())


def test_a_full_request_is_read_field_by_field() -> None:
    texts = {
        "user_id": "u1",
        "username": "Zoë 本",
        "image_id": "i1",
        "image_friendly_name": "Ubuntu 22.04",
        "created_timestamp": "2026-01-02T03:04:05Z",
        "start_timestamp": "2026-01-02 03:04:06.123456",
    }
    asked = parsed_with(staged=True, recording_name="wished.guac", **texts)
    assert (asked.kasm_id, asked.record_sessions, asked.staged) == ("f2a6e", True, True)
    assert asked.recording_name == "wished.guac"
    session = asked.session(token="0a1b2c3d", at=7.0)  # noqa: S106 - makes a name unique
    assert {name: getattr(session, name) for name in texts} == texts
    assert (session.recording_name, session.admitted_at) == ("wished.guac", 7.0)
    assert session.announced


def test_what_a_broker_does_not_say_or_says_is_null_is_empty() -> None:
    asked = parsed_with(username=None)
    assert (asked.username, asked.user_id, asked.staged, asked.unknown) == ("", "", False, ())


def test_without_a_wish_the_name_is_issued() -> None:
    session = parsed_with().session(token="0a1b2c3d", at=7.0)  # noqa: S106 - as above
    assert session.recording_name == "f2a6e-0a1b2c3d"


def test_unknown_fields_are_passed_over_and_named() -> None:
    assert parsed_with(zone="eu", colour=1).unknown == ("colour", "zone")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kasm_id": ""}, "kasm_id"),
        ({"kasm_id": None}, "kasm_id"),
        ({"kasm_id": 7}, "kasm_id"),
        ({"kasm_id": "x" * 257}, "kasm_id"),
        ({"kasm_id": "a\nb"}, "kasm_id"),
        ({"record_sessions": "true"}, "record_sessions"),
        ({"record_sessions": 1}, "record_sessions"),
        ({"record_sessions": None}, "record_sessions"),
        ({"staged": "no"}, "staged"),
        ({"username": ["a"]}, "username"),
        ({"username": "a\x00"}, "username"),
        ({"username": "\ud800"}, "username"),
        ({"username": "x" * 1025}, "username"),
        ({"created_timestamp": "yesterday"}, "created_timestamp"),
        ({"start_timestamp": 1700000000}, "start_timestamp"),
        ({"recording_name": "../etc/passwd"}, "recording_name"),
        ({"recording_name": "a/b"}, "recording_name"),
        ({"recording_name": ".."}, "recording_name"),
        ({"recording_name": "."}, "recording_name"),
        ({"recording_name": ".kasm-recd-1"}, "recording_name"),
        ({"recording_name": "a\x00b"}, "recording_name"),
        ({"recording_name": " a"}, "recording_name"),
        ({"recording_name": "a.json"}, "recording_name"),
        ({"recording_name": "a.1"}, "recording_name"),
        ({"recording_name": "a.255"}, "recording_name"),
        ({"recording_name": "本" * 81}, "recording_name"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parsed_with(**changes)
    assert caught.value.field == field
    assert str(caught.value)


@pytest.mark.parametrize("missing", ["kasm_id", "record_sessions"])
def test_a_field_that_must_be_there_is_named_when_it_is_not(missing: str) -> None:
    body = {name: value for name, value in MINIMAL.items() if name != missing}
    with pytest.raises(BadRequest) as caught:
        parse(json.dumps(body).encode())
    assert caught.value.field == missing


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b'"text"', b"[" * 60_000, b"{} {}"]
)
def test_what_is_no_json_object_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(body)
    assert caught.value.field == ""


@given(st.text(min_size=1, max_size=300))
@example("k" * 256)
@example("../../etc/passwd")
def test_an_issued_name_is_one_safe_component_whatever_the_kasm_id(kasm_id: str) -> None:
    name = issued_name(kasm_id, "0a1b2c3d")
    assert name.isascii()
    assert "/" not in name
    assert not name.startswith(".")
    assert name.endswith("-0a1b2c3d")
    assert len(name) <= NAME_BYTES
    assert parsed_with(recording_name=name).recording_name == name


@given(st.text(max_size=260))
def test_a_wished_name_is_refused_or_stays_in_its_folder(name: str) -> None:
    try:
        accepted = parsed_with(recording_name=name).recording_name
    except BadRequest:
        return
    assert accepted == name
    assert "/" not in name
    assert name not in (".", "..")
    assert "\x00" not in name
    assert len(f"{name}.255.json".encode()) <= 255


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["kasm_id", "record_sessions", "staged", "recording_name", "username"])
        | st.text(max_size=5),
        json_values,
    )
)
def test_any_json_is_read_or_refused(body: dict[str, Any]) -> None:
    with contextlib.suppress(BadRequest):
        assert parse(json.dumps(body).encode()).kasm_id
