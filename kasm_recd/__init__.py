"""Session recorder for Guacamole gateways: live recordings in, verified clips out."""

from __future__ import annotations

__version__: str


def __getattr__(name: str) -> str:
    """``__version__``, when it is asked for: looking it up costs a worker more than its start."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - costs 20 ms

    try:
        return version("kasm-recd")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+source"
