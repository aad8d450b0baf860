"""
Shows the matrix of integrations as a table; with ``--out=json`` the same rows come as data.

.. code-block:: bash

    salt-run itstack.status --out=itstack_matrix
"""

__version__ = "0.1.0"

import json
import shutil

# Why this file must not be used is kept until it's called: in place of an outputter that
# doesn't load Salt takes another one.
try:
    from salt_itstack import compatibility
except ImportError as error:
    _REFUSAL = (
        f"{error}; this plug-in needs the library of salt-itstack {__version__}. "
        "Remedy: install it, or sync it together with this file"
    )
else:
    _REFUSAL = compatibility.refusal(__version__)

if not _REFUSAL:
    from salt_itstack import report


def output(data, **kwargs):  # pylint: disable=unused-argument
    """
    The table, and below it whatever else the run has to say.

    data
        A dict with ``rows``, and optionally ``whole`` and ``notes``.
    """
    if _REFUSAL:
        return f"{_REFUSAL}. What was to be shown:\n{json.dumps(data, indent=1, default=str)}"
    if not isinstance(data, dict) or "rows" not in data:
        return str(data)
    text = report.table(
        data["rows"],
        width=max(shutil.get_terminal_size((140, 24)).columns, 80),
        colour=bool(__opts__.get("color")),
        whole=bool(data.get("whole")),
    )
    return "\n".join([text, *data.get("notes", [])])
