"""What we manage of Traefik."""

from __future__ import annotations

from ...reconcile import Field, Resource

#: A file of the provider, compared as a whole: what stands in it beside what is wanted would be served, too.
DOCUMENT = Resource("document", "name", {"document": Field("document")})
