"""The upload-location grammar, and the keys that come of it."""

from __future__ import annotations

import string
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasm_recd.errors import LocationInvalid
from kasm_recd.location import Destination, Location, destination_of
from kasm_recd.object_keys import VARIABLES, following, numbered, safe, sibling, variables_of
from kasm_recd.session import Session

KASM_ID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
KASM_EXAMPLE = "s3://clips@minio.example:9000/kasm/{username}/{kasm_id}.mp4"

values = st.text(max_size=300) | st.text(alphabet="./\\ _\0\n\u202eé本", max_size=40)


SESSION = Session(
    kasm_id=KASM_ID,
    user_id="u1",
    username="alice@example.com",
    image_id="i1",
    image_friendly_name="Ubuntu Jammy",
    created_timestamp="2024-05-01 23:30:00.123456",
    start_timestamp="2024-05-01T23:30:00-02:00",
    recording_name="r",
    admitted_at=0.0,
)


def key_of(location: str, session: Session = SESSION) -> str:
    variables = variables_of(session, now=1_714_600_000.1239)
    return Location.parse(location).key(variables, sequence=7)


def test_a_location_is_a_destination_and_keys_below_it() -> None:
    location = Location.parse(KASM_EXAMPLE)
    assert location.destination == "s3://clips@minio.example:9000"
    assert location.warnings == ()
    assert key_of(KASM_EXAMPLE) == f"kasm/alice@example.com/{KASM_ID}.0007.mp4"


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("s3://clips/{kasm_id}.mp4", "s3://clips@s3.amazonaws.com"),
        ("s3://clips@S3.EU-Central-1.amazonaws.com/{kasm_id}.mp4",
         "s3://clips@s3.eu-central-1.amazonaws.com"),
        ("s3://old_Bucket@10.0.0.7:8080/{kasm_id}.mp4", "s3://old_Bucket@10.0.0.7:8080"),
        ("s3://clips@[fd00::1]:443/{kasm_id}.mp4", "s3://clips@[fd00::1]:443"),
        ("s3://clips@[fd00::1]/{kasm_id}.mp4", "s3://clips@[fd00::1]"),
        ("file:///srv/my clips/{username}/{kasm_id}.mp4", "file:///srv/my clips"),
        ("file:///srv/clips/a-{kasm_id}.mp4", "file:///srv/clips"),
        ("file:///srv/clips/one.mp4", "file:///srv/clips"),
    ],
)  # fmt: skip
def test_a_destination_is_read_back_as_it_was_journaled(text: str, destination: str) -> None:
    location = Location.parse(text)
    assert location.destination == destination
    assert destination_of(location.destination) == location.target


def test_the_parts_of_a_destination() -> None:
    assert destination_of("s3://b-1@h:80") == Destination("s3", bucket="b-1", endpoint="h:80")
    assert destination_of("file:///srv/x") == Destination("file", folder="/srv/x")


@pytest.mark.parametrize("text", ["", "file://relative", "http://bucket@host", "s3://ab@h", "x"])
def test_what_is_no_destination_is_refused(text: str) -> None:
    with pytest.raises(LocationInvalid):
        destination_of(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "begins with neither"),
        ("/srv/clips/{kasm_id}.mp4", "begins with neither"),
        ("S3://bucket/{kasm_id}.mp4", "begins with neither"),
        ("s3://bucket", "does not end in a name"),
        ("s3://bucket/", "does not end in a name"),
        ("s3://bucket/a/", "does not end in a name"),
        ("s3://bucket//{kasm_id}.mp4", "two slashes"),
        ("s3://bucket/../{kasm_id}.mp4", "'..' is no component"),
        ("s3://bucket/./{kasm_id}.mp4", "'.' is no component"),
        ("s3://bucket/a\n/{kasm_id}.mp4", "control character"),
        ("s3://bucket/a\u2028/{kasm_id}.mp4", "control character"),
        ("s3://ab/{kasm_id}.mp4", "'ab' is no bucket name"),
        ("s3://192.168.1.1/{kasm_id}.mp4", "no bucket name"),
        ("s3://a..b/{kasm_id}.mp4", "no bucket name"),
        ("s3://-abc/{kasm_id}.mp4", "no bucket name"),
        ("s3://arn:aws:s3:eu-west-1:1:accesspoint-x/{kasm_id}.mp4", "no bucket name"),
        ("s3://bücket/{kasm_id}.mp4", "no bucket name"),
        ("s3:///{kasm_id}.mp4", "'' is no bucket name"),
        ("s3://bucket@/{kasm_id}.mp4", "'' is no endpoint"),
        ("s3://bucket@host:0/{kasm_id}.mp4", "no endpoint"),
        ("s3://bucket@host:70000/{kasm_id}.mp4", "no endpoint"),
        ("s3://bucket@host:/{kasm_id}.mp4", "no endpoint"),
        ("s3://bucket@https://host/{kasm_id}.mp4", "no endpoint"),
        ("s3://bucket@my_host/{kasm_id}.mp4", "no endpoint"),
        ("s3://bucket@[::1/{kasm_id}.mp4", "no endpoint"),
        ("s3://bucket@[1.2]/{kasm_id}.mp4", "no endpoint"),
        ("s3://bucket/{}.mp4", "{} is not known"),
        ("s3://bucket/{kasmid}.mp4", "{kasmid} is not known"),
        ("s3://bucket/{kasm_id!r}.mp4", "is not known"),
        ("s3://bucket/{kasm_id.mp4", "a brace"),
        ("s3://bucket/{{kasm_id}}.mp4", "a brace"),
        ("s3://bucket/kasm_id}.mp4", "a brace"),
        ("s3://bucket/{kasm_id}.json", "cannot end in '.json'"),
        ("s3://bucket/{kasm_id}.GUAC", "cannot end in '.GUAC'"),
        ("s3://bucket/" + "{username}" * 80 + ".mp4", "longer than"),
        ("s3://bucket/" + "{username}/" * 80 + "x.mp4", "longer than"),
        ("s3://bucket/" + "x" * 240 + "/{kasm_id}.mp4", "longer than"),
        ("file://srv/{kasm_id}.mp4", "three slashes"),
        ("file:///{kasm_id}.mp4", "names no folder"),
        ("file:///{username}/{kasm_id}.mp4", "names no folder"),
        ("file:///x.mp4", "names no folder"),
        ("file:///srv/../etc/{kasm_id}.mp4", "'..' is no component"),
        ("file:////srv/{kasm_id}.mp4", "two slashes"),
        ("file:///srv/{oops/{kasm_id}.mp4", "{oops/{kasm_id"),
    ],
)  # fmt: skip
def test_what_the_grammar_lacks_is_refused_with_reason_and_hint(text: str, reason: str) -> None:
    with pytest.raises(LocationInvalid) as refused:
        Location.parse(text)
    assert reason in str(refused.value)
    assert refused.value.hint


def test_an_unknown_variable_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(LocationInvalid) as refused:
        Location.parse("s3://bucket/{user_name}.mp4")
    assert refused.value.hint.startswith("Did you mean {username}?")


def test_a_location_without_kasm_id_is_warned_of() -> None:
    (warning,) = Location.parse("s3://bucket/{username}/{current_epoch}.mp4").warnings
    assert "{kasm_id}" in warning


def test_a_location_without_extension_gets_one_and_says_so() -> None:
    location = Location.parse("s3://bucket/{username}.x/{kasm_id}")
    assert "'.mp4' is added" in location.warnings[0]
    assert location.key({"kasm_id": "k.9", "username": "u"}, sequence=0) == "u.x/k.9.0000.mp4"


def test_every_one_of_kasms_variables_is_filled_in() -> None:
    template = "s3://bucket/" + "/".join(f"{{{name}}}" for name in VARIABLES) + ".mp4"
    assert key_of(template).split("/") == [
        KASM_ID,
        "u1",
        "alice@example.com",
        "i1",
        "Ubuntu Jammy",
        "2024-05-01 23:30:00.123456",
        "2024-05-01",
        "2024-05-01T23:30:00-02:00",
        "2024-05-02",  # in UTC
        "1714600000123.mp4",  # milliseconds
    ]


def test_dates_do_not_depend_on_the_machines_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "AWAY+10")  # ten hours behind UTC
    time.tzset()
    try:
        assert key_of("s3://bucket/{created_date}/{start_date}.mp4") == (
            "2024-05-01/2024-05-02.0007.mp4"
        )
    finally:
        monkeypatch.undo()
        time.tzset()


def test_with_current_epoch_a_key_has_no_number() -> None:
    assert key_of("s3://bucket/{kasm_id}-{current_epoch}.mp4") == f"{KASM_ID}-1714600000123.mp4"


@pytest.mark.parametrize("timestamp", ["", "yesterday", "  "])
def test_what_nobody_announced_is_called_so(timestamp: str) -> None:
    silent = replace(SESSION, username="", created_timestamp=timestamp)
    key = key_of("s3://b-1/{username}/{created_date}/x.mp4", silent)
    assert key == "unannounced/unannounced/x.0007.mp4"


@pytest.mark.parametrize(
    ("value", "start"),
    [
        ("a/b", "a_b-"),
        ("..", "__-"),
        (".", "_-"),
        ("../../etc/passwd", "_._.._etc_passwd-"),
        (".ssh", "_ssh-"),
        ("a\\b", "a_b-"),
        ("a\0b\x7f", "a_b_-"),
        ("a\u202eb", "a_b-"),
        ("\ud800x", "_x-"),
        ("ends ", "ends_-"),
        ("x" * 200, "x" * 119 + "-"),
    ],
)
def test_a_value_that_had_to_be_changed_says_so(value: str, start: str) -> None:
    digest = safe(value).removeprefix(start)
    assert len(digest) == 8
    assert set(digest) <= set(string.hexdigits)


def test_values_that_are_cleaned_alike_do_not_meet() -> None:
    assert len({safe("a/b"), safe("a\\b"), safe("a_b"), safe("a\nb")}) == 4


@pytest.mark.parametrize("value", ["alice", "Jörg", "本田", "a..b", "O'Neil & Co (2)", "a+b@c.org"])
def test_a_harmless_value_stays_as_it_is(value: str) -> None:
    assert safe(value) == value


TEMPLATES = (
    "{username}/{kasm_id}.mp4",
    "a/{username}{user_id}/{image_friendly_name}.{kasm_id}.mp4",
    ".{username}/x.{kasm_id}",
    "/".join(f"{{{name}}}" for name in VARIABLES) + ".mp4",
    "{username}{user_id}{image_id}{image_friendly_name}{created_timestamp}.mp4",
    "x" * 200 + "/" + "{username}/" * 40 + "{kasm_id}.mp4",
)


@pytest.mark.parametrize("template", TEMPLATES)
@given(data=st.data())
def test_no_value_can_leave_its_component(template: str, data: st.DataObject) -> None:
    location = Location.parse(f"s3://bucket/{template}")
    variables = {name: data.draw(values, label=name) for name in VARIABLES}
    key = location.key(variables, sequence=3)
    components = key.split("/")
    assert len(components) == template.count("/") + 1
    assert not {"", ".", ".."} & set(components)
    assert len(sibling(key, ".json").encode()) <= 1024
    assert all(len(component.encode()) <= 255 for component in components)
    assert not [character for character in key if ord(character) < 32 or character == "\\"]
    assert key == location.key(variables, sequence=3)


@given(values)
def test_a_safe_value_is_stable_and_within_its_size(value: str) -> None:
    for size in (128, 16):
        once = safe(value, size=size)
        assert 0 < len(once.encode()) <= size
        assert "/" not in once
        assert once[0] not in ". "
    assert safe(safe(value)) == safe(value)


@given(values, values)
def test_two_values_meet_only_if_both_are_blank(one: str, other: str) -> None:
    if one != other and (one.strip() or other.strip()):
        assert safe(one) != safe(other)


@given(values, st.integers(0, 10**5), st.integers(0, 10**5))
def test_numbers_and_siblings_keep_to_one_stem(kasm_id: str, first: int, second: int) -> None:
    key = Location.parse("s3://bucket/{kasm_id}.mp4").key({"kasm_id": kasm_id}, sequence=first)
    assert numbered(key, first) == key
    assert numbered(numbered(key, second), first) == key
    assert sibling(sibling(key, ".json"), ".mp4") == key


@pytest.mark.parametrize(
    ("key", "next_key"),
    [
        ("a/b.mp4", "a/b.0001.mp4"),
        ("a/b.0001.mp4", "a/b.0002.mp4"),
        ("a/b.9999.mp4", "a/b.10000.mp4"),
        ("a/b-1714600000123.mp4", "a/b-1714600000123.0001.mp4"),
        ("a/b.1714600000123.mp4", "a/b.1714600000123.0001.mp4"),
        ("a.0001/b.guac", "a.0001/b.0001.guac"),
        ("a.d/b", "a.d/b.0001"),
    ],
)
def test_the_key_after_a_taken_one(key: str, next_key: str) -> None:
    assert following(key) == next_key


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a/b.0001.mp4", "a/b.0001.jpg"),
        ("a/b.0001", "a/b.0001.jpg"),
        ("a.b/c", "a.b/c.jpg"),
        ("a/b.guac", "a/b.jpg"),
    ],
)
def test_a_file_beside_the_clip_has_its_stem(key: str, expected: str) -> None:
    assert sibling(key, ".jpg") == expected
