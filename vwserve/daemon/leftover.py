"""The socket of a UNIX endpoint that a daemon has left behind: it is cleared away, and nothing else ever is.

A process that was killed leaves its socket in the file system, where it is in the way of the next one. Whether somebody
still listens there only a connection tells: to a socket without a listener it is refused.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from vwserve.errors import VwserveError


def make_way(path: Path) -> None:
    """Remove the socket at `path` if nobody listens there.

    Raises VwserveError where somebody does, or where something else than a socket is; OSError where the disk refuses.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise VwserveError(f"{path} is there and is no socket; move it away, or name another path")
    if _is_listened_to(path):
        raise VwserveError(f"{path} is in use: another process listens there; stop it, or name another path")
    path.unlink(missing_ok=True)


def _is_listened_to(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        code = probe.connect_ex(os.fsencode(path))
    if code == errno.EACCES:
        raise PermissionError(code, "not allowed to ask whether somebody listens there", os.fspath(path))
    # Whatever else it says, such as that too many clients wait already, is of somebody who may be there.
    return code not in (errno.ECONNREFUSED, errno.ENOENT)
