"""The nouns: what was observed, when, and where each value was read. Frozen, JSON-round-trip, versioned."""
