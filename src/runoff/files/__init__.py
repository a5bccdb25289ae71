"""File access: atomic writes, safe reads of untrusted files, locks between processes, and the cache folder."""
