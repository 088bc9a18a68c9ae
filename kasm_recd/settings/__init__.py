"""File, environment and systemd credentials to one frozen, checked value.

``values`` says what may be set, ``conflicts`` what does not go together, ``sources`` where it comes
from.
"""

from kasm_recd.settings.sources import credentials_folder, load
from kasm_recd.settings.values import Settings

__all__ = ["Settings", "credentials_folder", "load"]
