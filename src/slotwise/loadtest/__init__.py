"""The stress: opens real connections, on purpose, within bounds, and leaves nothing behind."""
