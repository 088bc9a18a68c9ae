"""Session recorder for Guacamole gateways: live recordings in, verified clips out."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("kasm-recd")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+source"
