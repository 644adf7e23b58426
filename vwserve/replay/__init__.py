"""A file or a journal through a model in process, by the daemon's code, so that it gives the very same answers."""

from vwserve.replay.recorder import Recorder
from vwserve.replay.relearning import relearn
from vwserve.replay.resuming import resume_from
from vwserve.replay.selection import Selection, Wanted, select
from vwserve.replay.stream import Replayed, replay

__all__ = ["Recorder", "Replayed", "Selection", "Wanted", "relearn", "replay", "resume_from", "select"]
