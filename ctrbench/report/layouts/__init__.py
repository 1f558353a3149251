"""How each kind of table is laid out, and what only layouts need."""
