"""Salt's own loader with this pack's folders: plug-ins get their dunders as on a minion, without one."""

import functools

import salt.config
import salt.loader

from salt_itstack.loader import paths


@functools.lru_cache(maxsize=1)
def _minion_config():
    return salt.config.minion_config(None, minion_id="test-minion", ignore_config_errors=False)


def load(opts_overrides=None, pillar=None):
    """
    Execution modules and states for one run, with one ``__context__`` between them.

    opts_overrides
        Put over a minion's default configuration, such as ``{"test": True}``.
    pillar
        The minion's pillar.

    Returns both, callable by their names.
    """
    folders = paths()
    opts = {
        **_minion_config(),
        "file_client": "local",
        "grains": {},
        "pillar": pillar or {},
        "test": False,
        "module_dirs": [],
        "states_dirs": folders["states"],
        **(opts_overrides or {}),
    }
    context = {}
    utils = salt.loader.utils(opts, context=context)
    modules = salt.loader.minion_mods(opts, context=context, utils=utils)
    states = salt.loader.states(opts, modules, utils, salt.loader.serializers(opts), context=context)
    return modules, states
