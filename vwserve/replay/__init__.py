"""A file through a model in process, by the code that serves a connection, so that it gives the very same answers."""

from vwserve.replay.recorder import Recorder
from vwserve.replay.stream import Replayed, replay

__all__ = ["Recorder", "Replayed", "replay"]
