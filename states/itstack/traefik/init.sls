{#- Traefik in front of the applications that the map connects to it, with a document of its own for each. -#}
{%- if salt["itstack.active"]("traefik") %}
include:
  - itstack.traefik.service
  - itstack.traefik.provide
{%- elif salt["itstack.why_left_alone"]("traefik") %}
"traefik: left alone":
  itstack.left_alone:
    - name: traefik
{%- endif %}
