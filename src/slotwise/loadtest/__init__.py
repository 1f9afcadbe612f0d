"""The stress: opens real connections, on purpose."""
