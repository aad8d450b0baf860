"""
People of FreeIPA: this pack against Ansible's modules and a bare script.

FreeIPA's server can't be had here: what answers is the lab's double of its interface, with a real 389
Directory Server below it. Requests are counted in its log.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

from salt_itstack.lab import mounts, packages
from salt_itstack.lab.alone import Alone, running
from salt_itstack.lab.progress import Progress
from salt_itstack.lab.settings import DEFAULT_NETWORK, choose

from . import processes
from .processes import SET, Ansible, AsStates, Objects, Salt, Script, extrapolated, growth, measured

TITLE = "People of FreeIPA"
#: On ports of its own it would refuse everybody: it compares its name with the Referer.
ADDRESS = "127.0.59.1"
COUNTS, FEW = (1, 100, 10000), (1, 10)
#: One by one takes minutes: beyond it the others' figures are computed from this number of people.
MOST_OF_OTHERS = 100
#: More than these are put into the directory itself: through the interface it would take minutes.
MOST_MADE = 1000
LIMIT = 60.0
