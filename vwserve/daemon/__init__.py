"""The composition root: listeners, connections, signals; the only layer, with the command line, that knows the reactor."""
