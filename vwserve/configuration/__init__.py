"""Configuration files: YAML whose every value knows its line, durations and sizes, and errors with the nearest key.

`load` reads a file to a `Node`; the readers of `schema` turn nodes into typed values, collecting all that is wrong.
"""

from vwserve.configuration.document import Node, load

__all__ = ["Node", "load"]
