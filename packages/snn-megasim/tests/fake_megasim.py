"""A MegaSim that runs on this package's engine, or does what MEGASIM_FAKE says."""

import os
import sys
import time
from pathlib import Path

from snn_megasim.engine.engine import Engine
from snn_megasim.files import event_file, read_netlist
from snn_megasim.files.stimulus import format_events

mode = os.environ.get("MEGASIM_FAKE", "")
if mode == "hang":
    time.sleep(600)
if mode == "fail":
    sys.stdout.write("segmentation fault in module 3\n")
    sys.exit(3)
if mode == "error":
    sys.stdout.write("reading megasim.sch\nERROR: cannot open file\n")
    sys.exit(0)
folder = Path.cwd()
engine = Engine(read_netlist(folder.joinpath(sys.argv[1]).parent))
engine.run()
for number, (node, events) in enumerate(engine.all_events().items()):
    text = format_events(events)
    if mode == "garbage":
        text = "what is this\n"
    if mode == "cut" and text:
        text = text[: len(text) // 2].rsplit(" ", 2)[0]
    if mode == "elsewhere":
        text = "5 5 5 99 0 1\n"
    if mode == "later":
        text = "2000000 2000000 2000000 0 0 1\n"
    if mode == "silent" and number:
        break
    (folder / event_file(node)).write_text(text)
sys.stdout.write("simulation finished\n")
