"""The configuration: defaults, ``config.json``, overrides by the environment, masking, patching."""

import copy
import json
import os
import secrets
import tempfile
import threading
from pathlib import Path

from salt_itstack.lab.doubles.mattermost.errors import Problem, invalid_body

MASK = "*" * 32
DEFAULTS = json.loads(Path(__file__).with_name("defaults.json").read_text(encoding="utf-8"))
#: What a configuration without a SiteURL begins with; the others are those of one that has been in use.
FRESH = {
    "EnableEmailInvitations": False, "EnableLatex": False, "EnableSVGs": False,
    "ExtendSessionLengthWithActivity": True, "SessionLengthMobileInDays": 30,
    "SessionLengthMobileInHours": 720, "SessionLengthWebInDays": 30, "SessionLengthWebInHours": 720,
    "TerminateSessionsOnPasswordChange": True,
}  # fmt: skip
_ALWAYS_MASKED = {
    ("CacheSettings", "RedisPassword"), ("ElasticsearchSettings", "Password"),
    ("ServiceSettings", "SplitKey"),
    ("FileSettings", "PublicLinkSalt"), ("SqlSettings", "AtRestEncryptKey"), ("SqlSettings", "DataSource"),
}  # fmt: skip
_MASKED_WHEN_SET = {
    ("LdapSettings", "BindPassword"), ("FileSettings", "AmazonS3SecretAccessKey"),
    ("FileSettings", "ExportAmazonS3SecretAccessKey"), ("EmailSettings", "SMTPPassword"),
    ("GitLabSettings", "Secret"), ("GoogleSettings", "Secret"), ("Office365Settings", "Secret"),
    ("OpenIdSettings", "Secret"), ("MessageExportSettings", "GlobalRelaySettings", "SMTPPassword"),
}  # fmt: skip
#: Maps whose keys are anybody's; a patch replaces them whole.
_FREE = {
    ("PluginSettings", "Plugins"), ("PluginSettings", "PluginStates"), ("LogSettings", "AdvancedLoggingJSON"),
    ("NotificationLogSettings", "AdvancedLoggingJSON"), ("ExperimentalAuditSettings", "AdvancedLoggingJSON"),
    ("ContentFlaggingSettings", "NotificationSettings", "EventTargetMapping"),
    ("ContentFlaggingSettings", "ReviewerSettings", "TeamReviewersSetting"),
}  # fmt: skip
_BY_FILE_ONLY = (("PluginSettings", "EnableUploads"), ("PluginSettings", "SignaturePublicKeyFiles"))


def leaves(tree, path=()):
    """(path, value) of every key of a configuration."""
    for name, value in tree.items():
        here = (*path, name)
        if isinstance(value, dict) and here not in _FREE:
            yield from leaves(value, here)
        else:
            yield here, value


def at(tree, path):
    """The value at a path."""
    for name in path:
        tree = tree[name]
    return tree


def place(tree, path, value):
    """Set the value at a path, making what lies above it."""
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


def fresh():
    """The configuration of a server that has none."""
    tree = copy.deepcopy(DEFAULTS)
    tree["ServiceSettings"].update(FRESH)
    return tree


def _same_kind(value, default):
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, int):
        return isinstance(value, int)
    return isinstance(value, type(default))


def merge(tree, given):
    """Put the known keys of ``given`` into ``tree``; unknown ones are ignored, null changes nothing.

    Raises :class:`ValueError` for a value of another kind.
    """
    _merge(tree, given, ())


def _merge(tree, given, path):
    for name, value in given.items():
        here = (*path, name)
        if name not in tree or value is None:
            continue
        if not _same_kind(value, tree[name]):
            raise ValueError(f"{'.'.join(here)}: {type(tree[name]).__name__} expected")
        if isinstance(value, dict) and here not in _FREE:
            _merge(tree[name], value, here)
        else:
            tree[name] = value


def _from_environment(text, default):
    if isinstance(default, bool):
        return text.strip().lower() in ("1", "t", "true")
    if isinstance(default, int):
        return int(text)
    if isinstance(default, list):
        return text.split()
    return json.loads(text) if isinstance(default, dict) else text


def overrides(environment):
    """``{path: value}`` of the keys that the environment sets."""
    found = {}
    for path, default in leaves(DEFAULTS):
        text = environment.get("MM_" + "_".join(path).upper())
        if text is not None:
            found[path] = _from_environment(text, default)
    return found


class Configuration:
    """The configuration in use: what the file says, under what the environment says."""

    def __init__(self, path, environment):
        self.path = Path(path)
        self.locked = overrides(environment)
        self.lock = threading.Lock()
        self.reload()

    def reload(self):
        """Read the file again; keys that it lacks get their defaults, and are written to it.

        Raises :class:`ValueError` for a file that can't be read.
        """
        given = {}
        try:
            if self.path.exists():
                given = json.loads(self.path.read_text(encoding="utf-8"))
            self.stored = self._complete(given)
        except (ValueError, AttributeError) as error:
            raise ValueError(f"{self.path}: {error}") from None
        if self.stored != given:
            self._save()
        self._apply()

    def _complete(self, given):
        used = bool((given.get("ServiceSettings") or {}).get("SiteURL")) or any(
            path == ("ServiceSettings", "SiteURL") for path in self.locked
        )
        tree = copy.deepcopy(DEFAULTS) if used else fresh()
        merge(tree, given)
        for section, name in (("FileSettings", "PublicLinkSalt"), ("SqlSettings", "AtRestEncryptKey")):
            tree[section][name] = tree[section][name] or secrets.token_hex(16)
        return _normal(tree)

    def _apply(self):
        tree = copy.deepcopy(self.stored)
        for path, value in self.locked.items():
            place(tree, path, value)
        self.tree = tree

    def _save(self):
        """Replace the file whole, keeping its mode and owner."""
        folder = self.path.parent
        number, name = tempfile.mkstemp(dir=folder, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump(self.stored, file, indent=4)
                file.write("\n")
            if self.path.exists():
                there = self.path.stat()
                os.chmod(name, there.st_mode & 0o7777)
                os.chown(name, there.st_uid, there.st_gid)
            os.replace(name, self.path)
        except BaseException:
            os.unlink(name)
            raise

    def __call__(self, section, name):
        """One setting as it is in use."""
        return self.tree[section][name]

    # -- what the interface does with it

    def masked(self, remove_masked=False, remove_defaults=False, plain=False):
        """The tree as it's answered: secrets are rows of asterisks, unless it's ``plain``."""
        answer, default = {}, fresh()
        for path, value in leaves(self.tree):
            secret = not plain and (path in _ALWAYS_MASKED or bool(path in _MASKED_WHEN_SET and value))
            if remove_defaults and not secret and value == at(default, path):
                continue
            if remove_defaults and path in _FREE and isinstance(value, dict):
                value = {k: v for k, v in value.items() if at(default, path).get(k) != v}
            if remove_masked and secret:
                continue
            place(answer, path, MASK if secret else copy.deepcopy(value))
        return answer

    def environment(self):
        """The keys that the environment has locked, each ``true``."""
        answer = {}
        for path in self.locked:
            place(answer, path, True)
        return answer

    def patch(self, given):
        """Change some keys. Raises the interface's errors."""
        with self.lock:
            tree = copy.deepcopy(self.stored)
            self._take(_readable(merge, tree, given) or tree)

    def replace(self, given):
        """Set all keys: those that aren't given fall back to their defaults."""
        with self.lock:
            if self("ServiceSettings", "SiteURL") and not (given.get("ServiceSettings") or {}).get("SiteURL"):
                raise Problem("api.config.update_config.clear_siteurl.app_error")
            self._take(_readable(self._complete, given))

    def _take(self, tree):
        for path in (*_ALWAYS_MASKED, *_MASKED_WHEN_SET):
            if at(tree, path) == MASK:
                place(tree, path, at(self.stored, path))
        for path in self.locked:
            place(tree, path, at(self.stored, path))
        for path in _BY_FILE_ONLY:
            if at(tree, path) != at(self.stored, path):
                raise Problem("api.config.update_config.not_allowed_security.app_error", name=".".join(path))
        tree = _normal(tree)
        _check(tree)
        before, self.stored = self.stored, tree
        if before != tree:
            self._save()
        self._apply()


def _readable(function, *arguments):
    """What a function makes of a request's body. Raises a 400 for what it can't read."""
    try:
        return function(*arguments)
    except ValueError:
        raise invalid_body("config") from None


def _normal(tree):
    service, files = tree["ServiceSettings"], tree["FileSettings"]
    service["SiteURL"] = service["SiteURL"].rstrip("/")
    if not files["Directory"].endswith("/"):
        files["Directory"] += "/"
    return tree


def _check(tree):
    if tree["TeamSettings"]["MaxUsersPerTeam"] <= 0:
        raise Problem("model.config.is_valid.max_users.app_error")
    if tree["ServiceSettings"]["ConnectionSecurity"] not in ("", "TLS"):
        raise Problem("model.config.is_valid.webserver_security.app_error")
    site = tree["ServiceSettings"]["SiteURL"]
    if site and not site.startswith(("http://", "https://")):
        # Unconfirmed: the text; no wrong address was recorded.
        raise Problem("model.config.is_valid.site_url.app_error", 400,
                      "Site URL must be a valid URL and start with http:// or https://.")  # fmt: skip
    locales = tree["LocalizationSettings"]
    available = locales["AvailableLocales"]
    if available and locales["DefaultClientLocale"] not in available.split(","):
        raise Problem("model.config.is_valid.localization.available_locales.app_error")
