"""Warm-up, confidence intervals, a machine speed check, and facts about the machine."""
