"""VW, behind a strict grammar: workspaces that parse, predict, learn and save.

This is the only layer that knows VW; `binding` is the only module that imports it.
"""

from vwserve.learner.binding import CHUNK_LINES
from vwserve.learner.bounds import Bounds
from vwserve.learner.interactions import interaction_terms
from vwserve.learner.learner import Learner, Reply
from vwserve.learner.tally import Observer, Tally
from vwserve.learner.together import answer_together, take_together

__all__ = [
    "CHUNK_LINES",
    "Bounds",
    "Learner",
    "Observer",
    "Reply",
    "Tally",
    "answer_together",
    "interaction_terms",
    "take_together",
]
