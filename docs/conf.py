"""Sphinx's configuration: python -m sphinx -W docs _build/docs"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from salt_itstack import __version__

project = "salt-itstack"
author = "The authors of salt-itstack"
copyright = author
release = version = __version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
# Parts of other pages; the README and its companions are pages of the repository.
exclude_patterns = [
    "_build",
    "generated/alone.md",
    "generated/fields_*.md",
    "generated/integrations.md",
    "generated/map_keys.md",
    "generated/services.md",
]
myst_heading_anchors = 3
# Mermaid is drawn by the web sites that show this repository, not by Sphinx; a relative link may leave docs/.
suppress_warnings = ["misc.highlighting_failure", "myst.xref_missing", "myst.header"]
html_theme = "alabaster"
html_title = f"salt-itstack {release}"
html_static_path: list[str] = []
