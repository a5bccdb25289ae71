"""Programs that show how fast runoff is; each prints ratios of one run with their spread."""
