"""How many requests an address may make."""

import threading
import time


class Limiter:
    """Lets ``burst`` requests more than ``rate`` a second through, for each address."""

    def __init__(self, rate, burst):
        self.interval, self.limit = 1 / rate, burst + 1
        self.clock = time.monotonic
        self._lock = threading.Lock()
        self._until = {}

    def ask(self, address):
        """(whether it may go on, the headers that tell of it)."""
        with self._lock:
            now = self.clock()
            until = max(self._until.get(address, now), now) + self.interval
            allowed = until - now <= self.limit * self.interval
            if allowed:
                self._until[address] = until
            else:
                until -= self.interval
        left = int((self.limit * self.interval - (until - now)) / self.interval + 1e-9)
        headers = [("X-Ratelimit-Limit", str(self.limit)), ("X-Ratelimit-Remaining", str(left)),
                   ("X-Ratelimit-Reset", str(_up(until - now)))]  # fmt: skip
        if not allowed:
            headers.append(
                ("Retry-After", str(_up(until + self.interval - now - self.limit * self.interval)))
            )
        return allowed, headers


def _up(seconds):
    return int(seconds) + (seconds > int(seconds))
