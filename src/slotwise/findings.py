"""The verdicts: what a rule says about a Snapshot."""
