"""
Takes requests for repairs from outside, over HTTP, and has them worked off.

In the master's configuration; ``salt-run itstack.config hook=True`` prints it:

.. code-block:: yaml

    engines:
      - itstack_hook:
          address: 10.0.50.10
          port: 4510
          certificate: /etc/ssl/itstack/salt.crt   # PEM; needed unless it listens on the loopback only
          key: /etc/ssl/itstack/salt.key
          rate: 60                                 # requests of one address in a minute

The secret ``repair-hook`` of the master's store is made when the engine first starts:
``salt-run sdb.get sdb://itstack/repair-hook`` shows it.

.. code-block:: bash

    curl https://salt.it-stack.lab:4510/repair -H "Authorization: Bearer $TOKEN" \\
        -d '{"what": "redis", "why": "monitoring says that it is down"}'

202: it is written down, and will be looked at. 401 and 403: who asks isn't known, or the thing isn't in mode
enforce. 404: the map has no such thing. 400, 413, 429 and 503 say what is wrong in JSON.
"""

__version__ = "0.1.0"

try:
    from salt_itstack import compatibility
except ImportError as error:
    raise ImportError(
        f"{error}; this plug-in needs the library of salt-itstack {__version__}. "
        "Remedy: install it, or sync it together with this file"
    ) from None
else:
    compatibility.require(__version__)

import logging
import threading
import time

import salt.runner

from salt_itstack.errors import ItstackError
from salt_itstack.remediation.credentials import TOKEN
from salt_itstack.remediation.hook import Door, Endpoint
from salt_itstack.remediation.pokes import STALE, Pokes
from salt_itstack.secrets.store import Store
from salt_itstack.stack import load_for

log = logging.getLogger(__name__)

#: Seconds until a master whose configuration can't be used is asked again.
AGAIN = 60


def start(address="127.0.0.1", port=4510, certificate=None, key=None, rate=60):
    """
    Serve until the master ends.

    address, port
        Where to listen.
    certificate, key
        PEM files for TLS.
    rate
        Requests that one address may send in a minute.
    """
    pokes, store = Pokes.of(__opts__), Store.of(__opts__)
    wake = threading.Event()
    try:
        store.ensure({TOKEN: {"kind": "token"}})
        door = Door(lambda: load_for(__opts__), store, pokes, rate, wake.set)
        endpoint = Endpoint(door, address, port, certificate, key)
    except ItstackError as error:
        log.error("itstack: the hook isn't open: %s", error)
        # Salt starts an engine that ends again at once, and the log would be full of this.
        time.sleep(AGAIN)
        return
    threading.Thread(target=endpoint.serve_forever, name="itstack hook", daemon=True).start()
    log.info("itstack: the hook listens on %s:%s", address, port)
    while True:
        # What was written down before the master was restarted is there as well.
        if pokes.waiting():
            _work()
        wake.wait(STALE)
        wake.clear()


def _work():
    try:
        salt.runner.RunnerClient(__opts__).cmd("itstack.remediate", kwarg={"by": "event"}, print_event=False)
    except Exception:  # whatever a repair runs into, the hook stays open
        log.exception("itstack: what was asked for couldn't be worked off")
