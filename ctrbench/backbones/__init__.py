"""Language models by name, and low-rank adapters for them."""
