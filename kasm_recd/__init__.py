"""Session recorder for Guacamole gateways: live recordings in, verified clips out."""

from __future__ import annotations


def __getattr__(name: str) -> str:
    """``__version__``, looked up when it is asked for: a worker starts in half the time without."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - see above

    try:
        return version("kasm-recd")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+source"
