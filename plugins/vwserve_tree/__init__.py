"""Placeholder docstring replaced by the plugin's author."""
