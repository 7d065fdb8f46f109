"""Fuzzing of every reader: valid files, changed at random, are read or refused with a message."""
