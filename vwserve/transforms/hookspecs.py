"""What a plugin may implement.

Hooks are for load time: they are called when a daemon or a command starts, or reads its configuration again, on the
main thread, once for each plugin. Nothing here is called while requests are served.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from vwserve.transforms.transform import Transform

PROJECT = "vwserve"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def vwserve_transforms() -> Iterable[type[Transform[Any]]]:
    """Transform types that drops may name by their `kind`.

    Of two plugins that claim one kind the later is refused, and both are named.
    """
    return ()
