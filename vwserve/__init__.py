"""vwserve serves and trains many Vowpal Wabbit models online."""
