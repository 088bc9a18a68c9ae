"""Session recorder for Guacamole gateways: live recordings in, verified clips out."""


def __getattr__(name: str) -> str:
    """``__version__``, looked up when it is asked for: no worker asks, and many are started."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - 40 ms of CPU

    try:
        return version("kasm-recd")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+source"
