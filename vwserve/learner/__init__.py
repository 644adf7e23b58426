"""VW, behind a strict grammar: workspaces that parse, predict, learn and save.

This is the only layer that knows VW; `binding` is the only module that imports it.
"""

from vwserve.learner.bounds import Bounds
from vwserve.learner.continuing import continues
from vwserve.learner.interactions import interaction_terms
from vwserve.learner.judge import Judge
from vwserve.learner.learner import Learner, Reply
from vwserve.learner.resuming import Standing
from vwserve.learner.serving import GroupRecorder, Recorder
from vwserve.learner.tally import Observer, Tally
from vwserve.learner.together import answer_together, take_together

__all__ = [
    "Bounds",
    "GroupRecorder",
    "Judge",
    "Learner",
    "Observer",
    "Recorder",
    "Reply",
    "Standing",
    "Tally",
    "answer_together",
    "continues",
    "interaction_terms",
    "take_together",
]
