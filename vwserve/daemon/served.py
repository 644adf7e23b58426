"""The registry as connections see it: with a model of their own where none is named, and with failures in the log."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import Logger

from vwserve.errors import ModelError
from vwserve.model.registry import Registry
from vwserve.model.together import Together


class ServedModels:
    """What the line protocol asks of models, answered by a registry."""

    log = Logger()

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.get = registry.get  # asked once a read: a call less

    def together(self, names: Sequence[str], lines: Sequence[bytes]) -> Together:
        """The same lines for several models."""
        return Together([servable for name in names if (servable := self._registry.get(name)) is not None], lines)

    def names(self) -> Sequence[str]:
        """The names of all models, in order."""
        return self._registry.names()

    def save(self, name: str, export: str) -> None:
        """Leave a copy of a model among its exports."""
        try:
            path = self._registry.export(name, export)
        except ModelError as error:
            self.log.error("{model}: not saved: {error}", model=name or "the only model", error=error)
        else:
            self.log.info("{model}: saved to {path}", model=name or "the only model", path=path)
