"""The versions, in a module that imports nothing."""

__version__ = "0.1.0"

API_VERSION = 1
"""What ctrbench asks of plugins and hands to them, as a number; a plugin states its own as `api_version`.

Raised where a plugin that imports well would do the wrong thing. Names that go are no reason: they warn first.
"""

OLDEST_API_VERSION = 1
"""Plugins built for an older one are refused."""
