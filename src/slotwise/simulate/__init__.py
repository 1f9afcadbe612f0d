"""The model in motion: seeded discrete events."""
