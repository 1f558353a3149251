"""Views of rows: ids and numbers, or prompts and tokens; and batches of them."""
