"""The use cases: pure wiring. Collect, think, hand the result to a face."""
