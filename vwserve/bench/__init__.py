"""The load generator behind every figure that the documentation quotes: our daemon against VW's own, in one run."""
