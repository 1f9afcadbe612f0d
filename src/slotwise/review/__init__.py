"""The past: the rounds of a period in, what happened in it out."""
