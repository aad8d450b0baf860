"""What this pack knows of each service: its API, and what it manages there. No Salt in here."""
