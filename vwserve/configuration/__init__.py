"""Configuration files: YAML whose every value knows its line, durations and sizes, and errors with the nearest key."""
