"""One TOML file for each table or figure of the paper."""

api_version = 1
