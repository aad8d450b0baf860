"""The distributed cache and the file locks in the real Redis, when the configuration names it."""

import hashlib
import uuid

import redis
import redis.backoff
import redis.retry

REDIS = "\\OC\\Memcache\\Redis"
_LOCAL = (REDIS, "\\OC\\Memcache\\APCu", "\\OC\\Memcache\\ArrayCache")
# Compare and delete, as the real server drops a lock: by a script.
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class Unavailable(Exception):
    """A configured cache class that this server doesn't have."""


class CacheFailure(Exception):
    """Redis refused or is away; the message is worded like the PHP extension's."""


class Locked(Exception):
    """The path is locked by another request."""


def check(config):
    """Refuse a configuration that names an unknown cache class. Raises :class:`Unavailable`."""
    for name, kind in (
        ("memcache.local", "local"),
        ("memcache.distributed", "distributed"),
        ("memcache.locking", "locking"),
    ):
        wanted = config.get(name)
        if wanted and str(wanted) not in _LOCAL:
            shown = str(wanted).lstrip("\\")
            raise Unavailable(
                f"Memcache {shown} not available for {kind} cache (Is the matching PHP module installed"
                f" and enabled?)"
            )


def distributed(config):
    """A :class:`Cache` when ``memcache.distributed`` is Redis, else None."""
    return Cache(config) if config.get("memcache.distributed") == REDIS else None


def locking(config):
    """A :class:`Cache` when ``memcache.locking`` is Redis, else None."""
    return Cache(config) if config.get("memcache.locking") == REDIS else None


class Cache:
    """Redis as the configuration's map ``redis`` describes it; connected at the first use."""

    def __init__(self, config):
        options = config.get("redis") or {}
        self.prefix = hashlib.md5(f"{config.get('instanceid')}{config.get('version')}".encode()).hexdigest()
        host = str(options.get("host") or "127.0.0.1")
        port = int(options.get("port", 6379) or 0)
        arguments = {
            "username": options.get("user") or None,
            "password": options.get("password") or None,
            "db": int(options.get("dbindex") or 0),
            # The PHP extension doesn't try again.
            "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0),
            "socket_timeout": float(options.get("timeout") or 0) or 5,
            "socket_connect_timeout": float(options.get("timeout") or 0) or 5,
        }
        if host.startswith("/"):
            self.client = redis.Redis(unix_socket_path=host, **arguments)
        elif host.startswith("tls://"):
            authority = (options.get("ssl_context") or {}).get("cafile")
            self.client = redis.Redis(
                host=host[len("tls://") :], port=port, ssl=True, ssl_ca_certs=authority, **arguments
            )
        else:
            self.client = redis.Redis(host=host, port=port, **arguments)

    def call(self, command, *arguments):
        """The answer of one Redis command. Raises :class:`CacheFailure`."""
        try:
            return self.client.execute_command(command, *arguments)
        except redis.AuthenticationError:
            # PHP's extension goes on after a refused AUTH and fails at the next command with the server's
            # word.
            raise CacheFailure("NOAUTH Authentication required.")
        except (redis.ConnectionError, redis.TimeoutError):
            raise CacheFailure("Redis server went away")
        except redis.RedisError as failure:
            raise CacheFailure(str(failure))

    def close(self):
        """Close the connection."""
        self.client.close()

    def touch(self, name, value):
        """Write one key under this server's prefix for an hour and read it back."""
        full = f"{self.prefix}/{name}"
        self.call("SET", full, value, "EX", 3600)
        return self.call("GET", full)

    def lock(self, path):
        """Take the exclusive lock of ``path``. Returns the token for :meth:`unlock`; raises
        :class:`Locked`."""
        token = uuid.uuid4().hex
        name = f"{self.prefix}/lock/files/{hashlib.md5(path.encode()).hexdigest()}"
        if not self.call("SET", name, token, "NX", "EX", 3600):
            raise Locked(path)
        return name, token

    def unlock(self, lock):
        """Give back what :meth:`lock` returned."""
        self.call("EVAL", _RELEASE, 1, *lock)
