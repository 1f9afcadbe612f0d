"""The stress, thought out: what to try next, where the knee lies, which wall was met and what would move it."""
