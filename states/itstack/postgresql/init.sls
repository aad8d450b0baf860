{#- PostgreSQL, and in it a database of its own for each application that the map connects to it. -#}
{%- if salt["itstack.active"]("postgresql") %}
include:
  - itstack.postgresql.service
  - itstack.postgresql.provide
{%- endif %}
