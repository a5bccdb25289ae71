"""Gives each test of the `runoff` commands its own empty cache folder."""

from tests.support.cache_folder import own_cache_folder

__all__ = ["own_cache_folder"]
