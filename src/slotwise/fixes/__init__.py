"""The remedies: a Change in, new text and a unified diff out. Writes nothing."""
