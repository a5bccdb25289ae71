"""Files: atomic writing, reading from untrusted sources, locks between processes, and the cache folder."""
