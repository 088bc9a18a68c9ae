"""Recordings appeared, grew, finished: by scan, sooner by inotify."""

from kasm_recd.watcher.finished import Facts, Patience, judge
from kasm_recd.watcher.sighting import Evidence, Loss, Scan, Sighting
from kasm_recd.watcher.watcher import Watcher

__all__ = ["Evidence", "Facts", "Loss", "Patience", "Scan", "Sighting", "Watcher", "judge"]
