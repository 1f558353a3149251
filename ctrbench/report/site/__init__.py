"""One static site of a benchmark's results: an overview, a page per table, a page per run. Opens from disk."""
