{#- PostgreSQL, and in it a database of its own for each application that the map connects to it. -#}
{%- if salt["itstack.active"]("postgresql") %}
include:
  - itstack.postgresql.service
  - itstack.postgresql.provide
{%- elif salt["itstack.why_left_alone"]("postgresql") %}
"postgresql: left alone":
  itstack.left_alone:
    - name: postgresql
{%- endif %}
