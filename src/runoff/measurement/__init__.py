"""Warm-up of calls, confidence intervals, checks of the machine's speed, and facts about the machine."""
