"""The memory: sampler and SQLite store."""
