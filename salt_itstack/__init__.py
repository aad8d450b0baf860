"""salt-itstack: twenty self-hosted services declared, wired, orchestrated and proved as one system."""

__version__ = "0.1.0"
