"""Built-in models, one file per paper."""
