"""Programs that measure how fast runoff itself is. Each compares alternatives within one run and prints the spread."""
