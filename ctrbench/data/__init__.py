"""From raw files to canonical rows and splits, once, for every model."""
