"""The registry as connections see it: with a model of their own where none is named, and with failures in the log."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import Logger

from vwserve.errors import ModelError
from vwserve.model.registry import Registry
from vwserve.wire import Model


class ServedModels:
    """What the line protocol asks of models, answered by a registry."""

    log = Logger()

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def get(self, name: str) -> Model | None:
        """The model of this name; of an empty name, the only model there is."""
        return self._registry.get(name or self._registry.only or "")

    def names(self) -> Sequence[str]:
        """The names of all models, in order."""
        return self._registry.names()

    def save(self, name: str, export: str) -> None:
        """Leave a copy of a model among its exports."""
        model = name or self._registry.only or ""
        try:
            path = self._registry.export(model, export)
        except ModelError as error:
            self.log.error("model {model}: not saved: {error}", model=model, error=error)
        else:
            self.log.info("model {model}: saved to {path}", model=model, path=path)
