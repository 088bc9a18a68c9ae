"""Durable state: what boot reads first, and the only home of SQLite.

The journal decides; queues in memory only index it. Every write is a *verb* of :class:`Journal`
that returns when its commit is on the disk; what is illegal raises and changes nothing.

    schema      versions of the file, and the steps from one to the next
    connection  how the file is opened, and what SQLite's errors mean here
    lock        one daemon for one journal
    opening     the files, locked and brought up to date
    rows        table rows to values and back
    reads       the read verbs
    figures     what they count
    promises    what admission counts: recordings promised, and live ones
    sessions, recordings, segments, attempts, breaches, upkeep
                the write verbs, each a plain function of a connection inside a transaction
    writer      the one thread that runs them, and commits them in groups
    journal     the parts put together
    rebuilding  a new journal out of the spool's sidecars
"""

from kasm_recd.journal.attempts import Attempt
from kasm_recd.journal.journal import Journal
from kasm_recd.journal.promises import Live, Promise
from kasm_recd.journal.reads import JournalReader, read_only
from kasm_recd.journal.rebuilding import Rebuilt, rebuild
from kasm_recd.journal.upkeep import Recovered

__all__ = [
    "Attempt",
    "Journal",
    "JournalReader",
    "Live",
    "Promise",
    "Rebuilt",
    "Recovered",
    "read_only",
    "rebuild",
]
