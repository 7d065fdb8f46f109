"""Event-driven engine: runs a netlist in integers, event by event, in the order of time."""
