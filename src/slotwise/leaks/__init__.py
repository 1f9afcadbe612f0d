"""The source: addon source text in, findings out. One pattern, one file."""
