"""Exact tests, plans and decisions; pure functions."""
