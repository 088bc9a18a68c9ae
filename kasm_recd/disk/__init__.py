"""Files and folders: room, durable publishing, which file this is, who has it open.

Nothing here knows what a recording holds, and nothing here changes what is not consumed.
"""

from kasm_recd.disk.access import Ids, obstacle
from kasm_recd.disk.helper import PUNCH_SOCKET
from kasm_recd.disk.holders import Lock, is_locked, is_open_for_writing, lock_of
from kasm_recd.disk.identity import (
    HEAD_LENGTH,
    FileKey,
    Status,
    identify,
    is_same_file,
    open_to_look,
    status_of,
)
from kasm_recd.disk.publishing import (
    HIDDEN_PREFIX,
    clear,
    concatenate,
    fsync_folder,
    hidden_name,
    leave,
    publish,
    rename_no_replace,
    sha256,
    write_atomically,
)
from kasm_recd.disk.punching import check_same, punch
from kasm_recd.disk.space import Disk, free, is_full, says_full

__all__ = [
    "HEAD_LENGTH",
    "HIDDEN_PREFIX",
    "PUNCH_SOCKET",
    "Disk",
    "FileKey",
    "Ids",
    "Lock",
    "Status",
    "check_same",
    "clear",
    "concatenate",
    "free",
    "fsync_folder",
    "hidden_name",
    "identify",
    "is_full",
    "is_locked",
    "is_open_for_writing",
    "is_same_file",
    "leave",
    "lock_of",
    "obstacle",
    "open_to_look",
    "publish",
    "punch",
    "rename_no_replace",
    "says_full",
    "sha256",
    "status_of",
    "write_atomically",
]
