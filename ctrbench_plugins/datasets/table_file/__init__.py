"""Data of one's own: tables (CSV, Parquet, JSON lines) and a TOML that says what their columns are."""

from ctrbench_plugins.datasets.table_file.source import TableFile as TableFile
