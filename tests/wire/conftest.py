"""Real models behind the line protocol, and sessions that talk to them without a socket."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pytest

from tests.learner.weights import weights as saved_weights
from vwserve.model.servable import Servable
from vwserve.model.together import Together
from vwserve.wire import Model, Models, Session

ARGUMENTS = {
    "ctr": "--loss_function logistic --link logistic -b 10 -q ua",
    "cvr": "-b 10 -l 0.3",
    "kind": "-b 10 --oaa 3",
    "chances": "-b 10 --oaa 3 --probabilities",
    "adf": "-b 10 --cb_explore_adf",
    "adf2": "-b 10 --cb_explore_adf --epsilon 0.1",
    "bandit": "-b 10 --cb 2",
    "sets": "-b 10 --multilabel_oaa 3",
    "spread": "-b 10 --bootstrap 3",
    "unsettled": "-b 10 --oaa 5",
    "costed": "-b 10 --csoaa 5",
    "named": "-b 10 --oaa 2 --named_labels batch,other",
    "ldf": "-b 10 --csoaa_ldf mc",
}


class RealModels:
    """Servables by name."""

    def __init__(self, names: Iterable[str]) -> None:
        self.servables = {name: Servable(name, ARGUMENTS[name]) for name in names}
        self.saved: list[tuple[str, str]] = []

    def get(self, name: str) -> Servable | None:
        """The servable of this name; of the empty name, the only one."""
        if not name and len(self.servables) == 1:
            return next(iter(self.servables.values()))
        return self.servables.get(name)

    def together(self, names: Sequence[str], lines: Sequence[bytes]) -> Together:
        """The same lines for several."""
        return Together([self.servables[name] for name in names], lines)

    def names(self) -> Sequence[str]:
        """All names, in order."""
        return sorted(self.servables)

    def statistics(self, name: str) -> Mapping[str, object] | None:
        """The figures of the servable of this name."""
        servable = self.get(name)
        return None if servable is None else servable.statistics()

    def save(self, name: str, export: str) -> None:
        """Take note of a save."""
        self.saved.append((name, export))


@pytest.fixture(scope="session")
def make_models() -> Callable[..., Models]:
    """Makes fresh models of these names: ctr and cvr by default."""

    def make(*names: str) -> Models:
        return RealModels(names or ("ctr", "cvr"))

    return make


@pytest.fixture
def models(make_models: Callable[..., Models]) -> Models:
    """One fresh model of each kind of answer."""
    return make_models("ctr", "cvr", "kind", "chances", "adf", "ldf")


def all_answers(session: Session) -> Iterator[bytes]:
    """What is answered in all the turns that it takes."""
    yield from session.answers()
    while not session.idle:
        yield from session.answers()


@pytest.fixture(scope="session")
def talk() -> Callable[..., bytes]:
    """Gives a new session these reads and returns all its answers.

    A lone bytes is one read; unless `end` is false, the client then ends its side.
    """

    def talk(
        models: Models,
        reads: bytes | Iterable[bytes],
        own: str = "ctr",
        *,
        end: bool = True,
        line_bytes: int = 1 << 16,
        request_bytes: int = 1 << 20,
        saves: bool = True,
    ) -> bytes:
        session = Session(models, own, line_bytes=line_bytes, request_bytes=request_bytes, saves=saves)
        answers: list[bytes] = []
        for read in [reads] if isinstance(reads, bytes) else reads:
            session.receive(read)
            answers += all_answers(session)
        if end:
            session.end()
            answers += all_answers(session)
        return b"".join(answers)

    return talk


@pytest.fixture(scope="session")
def weights() -> Callable[[Models], list[list[float]]]:
    """Reads all weights of all models."""

    def read(models: Models) -> list[list[float]]:
        servables = [models.get(name) for name in models.names()]
        return [saved_weights(servable.learner) for servable in servables if isinstance(servable, Servable)]

    return read


def _conforms(servable: Servable, models: RealModels) -> tuple[Model, Models]:
    """A type checker's proof that what the daemon serves is what the line protocol asks for."""
    return servable, models
