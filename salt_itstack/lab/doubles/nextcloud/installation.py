"""One installed double: its folder, its configuration, and the servers it depends on."""

import os

from salt_itstack.lab.doubles.nextcloud import cache, systemconfig
from salt_itstack.lab.doubles.nextcloud import database as db
from salt_itstack.lab.doubles.nextcloud.people import People

VERSION = "35.0.0.1"
VERSION_STRING = "35.0.0 dev"
OIDC_VERSION = "8.11.0-dev.0"

# Apps that lie in the folder: version, enabled by the installer, protected from app:disable, types.
_CORE = "2.0.0-dev.0"
APPS = {
    "admin_audit": (_CORE, False, False, "logging"),
    "appstore": (_CORE, False, False, ""),
    "cloud_federation_api": (_CORE, True, True, "filesystem"),
    "comments": (_CORE, False, False, "logging"),
    "contactsinteraction": (_CORE, True, False, "dav"),
    "dashboard": ("8.0.0-dev.0", False, False, ""),
    "dav": (_CORE, True, True, "filesystem"),
    "encryption": ("3.0.0-dev.0", False, False, "filesystem"),
    "federatedfilesharing": ("2.0.0-dev.1", True, True, ""),
    "federation": (_CORE, True, False, "authentication"),
    "files": ("3.0.0-dev.0", True, True, "filesystem"),
    "files_external": (_CORE, False, False, "filesystem"),
    "files_reminders": (_CORE, False, False, ""),
    "files_sharing": ("2.0.0-dev.1", True, False, "filesystem"),
    "files_trashbin": (_CORE, True, False, "filesystem,dav"),
    "files_versions": (_CORE, True, False, "filesystem,dav"),
    "lookup_server_connector": (_CORE, True, True, "authentication"),
    "oauth2": (_CORE, True, True, "authentication"),
    "profile": (_CORE, True, True, ""),
    "provisioning_api": (_CORE, True, True, "prevent_group_restriction"),
    "settings": (_CORE, True, True, ""),
    "sharebymail": (_CORE, True, False, "filesystem"),
    "sharing": ("1.0.0", True, False, ""),
    "systemtags": (_CORE, False, False, "logging"),
    "testing": (_CORE, False, False, "authentication"),
    "theming": ("3.0.0-dev.0", True, True, "logging"),
    "twofactor_backupcodes": (_CORE, True, True, ""),
    "updatenotification": (_CORE, False, False, ""),
    "user_ldap": (_CORE, False, False, "authentication"),
    "user_oidc": (OIDC_VERSION, False, False, "authentication"),
    "user_status": (_CORE, False, False, ""),
    "weather_status": (_CORE, False, False, ""),
    "webhook_listeners": (_CORE, True, False, "filesystem"),
    "workflowengine": ("3.0.0-dev.0", False, True, "filesystem"),
}


class Installation:
    """The double below ``root`` as one process or one request sees it; reads the configuration when made."""

    def __init__(self, root):
        self.root = root
        self.config = systemconfig.SystemConfig(root)
        self._database = None

    @property
    def installed(self):
        """Whether the configuration says that the server is installed."""
        return self.config.get("installed") is True

    @property
    def maintenance(self):
        """Whether maintenance mode is on."""
        return self.config.get("maintenance") is True

    @property
    def newer(self):
        """Whether the configuration was written by a newer version than this one."""
        return self.installed and _numbers(self.config.get("version", VERSION)) > _numbers(VERSION)

    @property
    def needs_upgrade(self):
        """Whether the configuration was written by an older version than this one."""
        return self.installed and _numbers(self.config.get("version", VERSION)) < _numbers(VERSION)

    @property
    def database(self):
        """The open database; raises :class:`~.database.Unreachable`."""
        if self._database is None:
            self._database = db.Database(db.connect(self.config))
        return self._database

    @property
    def people(self):
        """Persons and groups."""
        return People(self.database, str(self.config.get("datadirectory") or os.path.join(self.root, "data")))

    def start(self):
        """What every process of the real server does first when it is installed: caches and app
        configuration.

        Raises :class:`~.cache.Unavailable`, :class:`~.database.Unreachable`, :class:`~.database.QueryFailed`.
        """
        cache.check(self.config)
        self.database.one("SELECT count(*) FROM oc_appconfig")

    def app_enabled(self, app):
        """Whether an app is on."""
        return self.database.app_value(app, "enabled", "no") != "no"

    def status(self):
        """What ``status.php`` and ``occ status`` tell (keys in occ's order)."""
        return {
            "installed": self.installed,
            "version": VERSION,
            "versionstring": VERSION_STRING,
            "edition": "",
            "maintenance": self.maintenance,
            "needsDbUpgrade": self.needs_upgrade,
            "productname": "Nextcloud",
            "extendedSupport": False,
        }

    def close(self):
        """Close the database connection."""
        if self._database is not None:
            self._database.close()
            self._database = None


def _numbers(version):
    return [int(part) for part in str(version).split(".") if part.isdigit()]
