"""Seeded generators of example lines: clicks, texts and display advertising, with something in them to learn.

Each is called as `generator(count, seed=0, labelled=True)` and yields `count` lines as bytes, newline included. The
same seed gives the same lines, with or without their labels, and fewer lines are the beginning of more.
"""

from vwserve.streams.clicks import clicks
from vwserve.streams.criteo import criteo
from vwserve.streams.text import texts

__all__ = ["clicks", "criteo", "texts"]
