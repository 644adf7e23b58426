"""What is wrong with a transform's options, artifact or data, in words for who configured it."""

from __future__ import annotations

from vwserve.errors import VwserveError


class TransformError(VwserveError):
    """A transform that cannot be made or fitted; whoever knows where it is declared says so."""
