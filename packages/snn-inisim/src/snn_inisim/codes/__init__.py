"""Spike codes: what the neurons of a layer do with their summed input."""
