"""What systemd is told: ready, reloading, stopping, a status line, and that the daemon lives.

Outside systemd (no ``$NOTIFY_SOCKET``) every call does nothing.
"""

from __future__ import annotations

import os
import time

from sdnotify import SystemdNotifier


class Notifier:
    """A connection to systemd's notification socket; the protocol is sd_notify(3)."""

    def __init__(self) -> None:
        # Made only where there is a socket: without one it would leave its own socket unclosed.
        self._systemd = SystemdNotifier() if os.environ.get("NOTIFY_SOCKET") else None

    def ready(self) -> None:
        """Start-up, or a reload, is over."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Settings are being read again; :meth:`ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The daemon is on its way out."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``; line breaks become blanks."""
        self._send(f"STATUS={' '.join(text.split())}")

    def alive(self) -> None:
        """Feed the watchdog; call it only while every part is alive."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Give the connection up; nothing is said after that."""
        if self._systemd is not None:
            self._systemd.socket.close()
            self._systemd = None

    def _send(self, state: str) -> None:
        if self._systemd is not None:
            # sdnotify encodes latin-1 and drops what does not fit: hand it UTF-8 in disguise.
            self._systemd.notify(state.encode(errors="replace").decode("latin-1"))


def watchdog_interval() -> float | None:
    """Seconds between two calls of :meth:`Notifier.alive`: half of what systemd allows.

    None where no watchdog watches this process (``WATCHDOG_USEC`` unset, zero, or another's).
    """
    try:
        allowed_us = int(os.environ.get("WATCHDOG_USEC", "0"))
        watched_pid = int(os.environ.get("WATCHDOG_PID", os.getpid()))
    except ValueError:
        return None
    if allowed_us <= 0 or watched_pid != os.getpid():
        return None
    return allowed_us / 2 / 1_000_000
