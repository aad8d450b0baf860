"""
Shows the matrix of integrations as a table; with ``--out=json`` the same rows come as data.

.. code-block:: bash

    salt-run itstack.status --out=itstack_matrix
"""

import shutil

from salt_itstack import report


def output(data, **kwargs):  # pylint: disable=unused-argument
    """
    The table, and below it whatever else the run has to say.

    data
        A dict with ``rows``, and optionally ``whole`` and ``notes``.
    """
    if not isinstance(data, dict) or "rows" not in data:
        return str(data)
    text = report.table(
        data["rows"],
        width=max(shutil.get_terminal_size((140, 24)).columns, 80),
        colour=bool(__opts__.get("color")),
        whole=bool(data.get("whole")),
    )
    return "\n".join([text, *data.get("notes", [])])
