"""A MegaSim that runs on this package's engine, or does what MEGASIM_FAKE says."""

import os
import re
import sys
import time
from pathlib import Path

FOLDER = Path.cwd()
SCHEMATIC = FOLDER / sys.argv[1]

BROKEN = {
    "garbage": "what is this\n",
    "cut": "0 0 0 1 0 1\n1 1 1 0",
    "elsewhere": "5 5 5 99 0 1\n",
    "later": "2000000 2000000 2000000 0 0 1\n",
}
"""What a broken MegaSim writes for each node."""


def fail():
    sys.stdout.write("segmentation fault in module 3\n")
    sys.exit(3)


def tell_an_error():
    sys.stdout.write("reading megasim.sch\nERROR: cannot open file\n")


def simulate():
    from snn_megasim.engine.engine import Engine
    from snn_megasim.files import event_file, read_netlist
    from snn_megasim.files.stimulus import format_events

    engine = Engine(read_netlist(SCHEMATIC.parent))
    engine.run()
    for node, events in engine.all_events().items():
        (FOLDER / event_file(node)).write_text(format_events(events))
    sys.stdout.write("simulation finished\n")


def print_for_ever():
    while True:
        sys.stdout.write("still running\n" * 1000)


def print_much():
    """Print more than an error shows, with the error at its beginning."""
    sys.stdout.write("ERROR: no memory for module 7\n" + "and so on\n" * 10_000)


def write(text):
    for node in re.findall(r"\}\{([^}]+)\}", SCHEMATIC.read_text()):
        (FOLDER / f"node_{node}.evs").write_text(text)


mode = os.environ.get("MEGASIM_FAKE", "")
if mode in BROKEN:
    write(BROKEN[mode])
else:
    {
        "": simulate,
        "hang": lambda: time.sleep(600),
        "fail": fail,
        "error": tell_an_error,
        "silent": lambda: None,
        "forever": print_for_ever,
        "much": print_much,
    }[mode]()
