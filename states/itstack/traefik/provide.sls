{%- if salt["itstack.active"]("traefik") %}
{%- set facts = salt["itstack.facts"]("traefik") %}
include:
  - itstack.traefik.service

{%- for end in salt["itstack.ends"]("traefik", "source", kind="ingress") %}

"{{ end.id }}: route {{ end.router }}":
  itstack_traefik.document_present:
    - name: {{ end.router }}
    - document: {{ end.document | json }}
    - directory: {{ facts.settings.directory }}
    - require:
      - itstack: "traefik: ready"
{%- endfor %}
{%- endif %}
