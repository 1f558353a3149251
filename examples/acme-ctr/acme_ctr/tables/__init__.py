"""Tables: each `.toml` file in this folder is one, and its name is the file's."""

api_version = 1
