"""The composition root: listeners and connections; with the command line, the only layer that knows the reactor."""
