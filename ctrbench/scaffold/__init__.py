"""Packages with a plugin and its tests, for others to begin with: `ctrbench new plugin`.

The templates name no plugin that is installed; what a new one is tried with is looked up (`surroundings`).
"""
