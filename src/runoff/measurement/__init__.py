"""Warm-up, confidence intervals, the yardstick and facts about the machine."""
