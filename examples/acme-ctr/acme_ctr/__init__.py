"""An example of a plugin package: each module has one plugin, and imports `ctrbench.api` only."""
