"""How plugins conduct themselves: what is watched while they are imported and called, and who is named for what."""
