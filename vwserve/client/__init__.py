"""Talking to a daemon, with the standard library alone: endpoints, and a stream of examples against one of answers."""

from vwserve.client.endpoint import Endpoint, parse_endpoint
from vwserve.client.exchange import exchange

__all__ = ["Endpoint", "exchange", "parse_endpoint"]
