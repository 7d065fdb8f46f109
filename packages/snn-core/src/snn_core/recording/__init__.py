"""What a simulation produces: output, spike trains, potentials and counts."""
