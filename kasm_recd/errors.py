"""What can go wrong, grouped by who must act: retried, parked, operator.

Every error says what and where in its message and what to do in ``hint``; the hint is written for
the operator and goes into the log beside the message. Only these classes cross module borders: a
library's own exceptions are turned into one of them in the module that is the library's home.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class RecdError(Exception):
    """Base of all errors of the daemon: ``str(error)`` says what and where, ``hint`` what to do."""

    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or self.default_hint


# -- retried: the daemon tries again by itself ------------------------------------------------


class Retried(RecdError):
    """Passing trouble; the daemon tries again by itself."""

    default_hint = "Nothing to do: it is tried again until the retention period ends."


class StoreUnavailable(Retried):
    """The object store did not answer, answered 5xx, or broke the connection."""


class WorkerFailed(Retried):
    """A worker process failed, was killed, ran out of a limit or past its deadline."""


class ClipRejected(Retried):
    """A worker said that it was done, but what it made did not pass the check."""


class DiskFull(Retried):
    """No room for the next step; it is taken again when room is back."""

    default_hint = "Free disk on the file system named here, or move the spool to a larger one."


class RecordingChanged(Retried):
    """The recording was replaced, shrunk or vanished while it was being cut."""


# -- parked: this piece of work stops, all others go on ---------------------------------------


class Parked(RecdError):
    """This piece of work stops here; everything else goes on."""


class KeyTaken(Parked):
    """Another content lies under the object key; the clip takes the next free one."""


class Unplayable(Parked):
    """The segment has nothing that a clip could show; it is stored raw."""


class NameInUse(Parked):
    """Another session owns the recording name that the broker wished for."""

    default_hint = "Leave recording_name out of the request: the daemon then issues a unique one."


class SidecarInvalid(Parked):
    """The note beside a segment's body is missing or cannot be read."""


# -- operator: nothing helps but a change of the set-up ---------------------------------------


class OperatorError(RecdError):
    """Only the operator can mend this; until then admission refuses recorded sessions."""


class Problem(NamedTuple):
    """What is wrong with one setting; ``value`` is as it may be shown, never a secret's."""

    field: str
    value: str
    source: str  # the file, the variable or the credential it came from
    reason: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.field} = {self.value} ({self.source}): {self.reason}. {self.way_out}"


class SettingsInvalid(OperatorError):
    """A setting is missing, unknown or out of range; ``problems`` lists each."""

    default_hint = "Correct the file, then: kasm-recd check-config && systemctl reload kasm-recd"

    def __init__(self, message: str, *, hint: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class LocationInvalid(SettingsInvalid):
    """The upload location does not follow the grammar, or names an unknown variable."""


class StoreRefused(OperatorError):
    """The object store refused for good: credentials, rights, bucket or request."""

    default_hint = (
        "Check key, secret, bucket and rights; uploads go on by themselves when it is mended."
    )


class JournalCorrupt(OperatorError):
    """The journal is damaged, or was written by a newer release."""

    default_hint = "Stop the daemon, then: kasm-recd journal rebuild"


class JournalLocked(OperatorError):
    """Another daemon holds the journal."""

    default_hint = (
        "One daemon for one spool: stop the other, or give this one a spool_dir of its own."
    )


class SocketTaken(OperatorError):
    """Somebody else answers on the admission socket, or something else lies at its path."""

    default_hint = "Stop the other daemon, or give this one another path with --socket."


class EncoderMissing(OperatorError):
    """The encoder that the settings ask for is not on this machine."""


class ControlRefused(OperatorError):
    """The running daemon did not answer a command, or refused it."""


# -- never expected: a mistake in this program -------------------------------------------------


class IllegalMove(RecdError):
    """A state was asked to make a move that its table does not have; nothing was changed."""
