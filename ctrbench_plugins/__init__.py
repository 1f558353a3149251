"""The built-in models, datasets and backbones, registered through entry points as a stranger's would be."""
