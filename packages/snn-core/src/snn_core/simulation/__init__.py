"""The contract of simulators, what passes through it, and the reference simulator."""
