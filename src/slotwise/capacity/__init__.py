"""The model: demand, supply, headroom, sizing and queueing. Arithmetic only."""
