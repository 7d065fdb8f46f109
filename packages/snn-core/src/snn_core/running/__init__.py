"""Running a network on a data set: batches, result folders, stopping and resuming."""
