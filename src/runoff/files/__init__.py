"""Atomic writing of files, and reading of files from untrusted sources."""
