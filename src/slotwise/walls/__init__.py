"""The refusals: log text in, which wall was hit out."""
