"""What a model keeps on disk: the journal of what it learned."""

from vwserve.durability.errors import JournalError
from vwserve.durability.journal import Journal, Sync
from vwserve.durability.opening import Cut, Gap, Opening
from vwserve.durability.reading import read_journal
from vwserve.durability.times import sequence_at

__all__ = ["Cut", "Gap", "Journal", "JournalError", "Opening", "Sync", "read_journal", "sequence_at"]
