"""The future: a series of counts in, trend and time to saturation out."""
