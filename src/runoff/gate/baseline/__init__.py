"""From the baseline that the user named to a side that can be run."""
