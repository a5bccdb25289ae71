"""Programs that measure the speed of runoff itself. Each compares alternatives in one run and prints the spread."""
