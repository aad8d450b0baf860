{%- if salt["itstack.active"]("postgresql") %}
{%- set facts = salt["itstack.facts"]("postgresql") %}
{%- set ends = salt["itstack.ends"]("postgresql", "source", kind="database") %}
{%- set every = salt["itstack.ends"]("postgresql", "source", kind="database", every=True) %}
include:
  - itstack.postgresql.service

{#- Whose server it is says who may come from where. The list is one, so all belong to it. #}
{%- if every and not facts.external %}

"postgresql: who may come from where":
  itstack_postgresql.hba_present:
    - name: /etc/postgresql/{{ facts.settings.version }}/{{ facts.settings.cluster }}/pg_hba.conf
    - rules:
      {%- for end in every %}
      - {{ end.hba_type }} {{ end.database }} {{ end.role }} {{ end.client }} scram-sha-256
      {%- endfor %}
    - require:
      - itstack: "postgresql: ready"
{%- endif %}

{%- for end in ends %}

"{{ end.id }}: role {{ end.role }}":
  itstack_postgresql.role_present:
    - name: {{ end.role }}
    - password: {{ end.password }}
    - require:
      - itstack: "postgresql: ready"

"{{ end.id }}: database {{ end.database }}":
  itstack_postgresql.database_present:
    - name: {{ end.database }}
    - owner: {{ end.role }}
    - require:
      - itstack_postgresql: "{{ end.id }}: role {{ end.role }}"
{%- endfor %}
{%- endif %}
