"""What `ctrbench doctor` looks at. Whatever may block or die does so in a process of its own."""

TIMEOUT = 30.0
"""Seconds that the import of one plugin may take."""
