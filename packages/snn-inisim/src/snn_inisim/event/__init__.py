"""The event engine: simulation whose cost follows the number of spikes; without TensorFlow."""
