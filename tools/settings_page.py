"""Write the reference page of all settings: `python tools/settings_page.py > docs/settings.md`."""

import sys

from snn_core.conversion import PRESETS
from snn_core.settings.page import document

if __name__ == "__main__":
    sys.stdout.write(document(PRESETS))
