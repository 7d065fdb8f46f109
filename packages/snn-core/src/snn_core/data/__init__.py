"""Data sets: samples and labels from arrays, image folders or recordings of an event camera."""

from snn_core.data.base import Dataset
from snn_core.data.loading import load_dataset

__all__ = ["Dataset", "load_dataset"]
