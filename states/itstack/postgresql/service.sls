{%- if salt["itstack.active"]("postgresql") %}
{%- set facts = salt["itstack.facts"]("postgresql") %}
{%- set version = facts.settings.version %}
{%- set cluster = facts.settings.cluster %}
{%- set configuration = "/etc/postgresql/" ~ version ~ "/" ~ cluster %}
{%- set unit = facts.units | first %}
{%- if facts.external %}
"postgresql: ready":
  itstack.service_ready:
    - name: postgresql
    - timeout: 60
{%- else %}
"postgresql: needs":
  itstack.needs_ready:
    - name: postgresql

"postgresql: installed":
  pkg.installed:
    - name: postgresql-{{ version }}
    - require:
      - itstack: "postgresql: needs"

{#- Where a state has `unless`, Salt loads all of its state modules, for a second or two: not where it's known. #}
{%- set made = salt["file.file_exists"](configuration ~ "/postgresql.conf") %}
"postgresql: cluster":
{%- if made %}
  test.nop:
    - require:
      - pkg: "postgresql: installed"
{%- else %}
  cmd.run:
    - name: pg_createcluster {{ version }} {{ cluster }} --locale C.UTF-8
    - unless: test -f {{ configuration }}/postgresql.conf
    - require:
      - pkg: "postgresql: installed"
{%- endif %}

"postgresql: settings":
  file.managed:
    - name: {{ configuration }}/conf.d/itstack.conf
    - contents: |
        # Written by Salt (itstack.postgresql); local changes are undone.
        listen_addresses = '{{ facts.address }}'
        port = {{ facts.ports.postgresql }}
        max_connections = {{ facts.settings.max_connections }}
        password_encryption = 'scram-sha-256'
    - user: postgres
    - group: postgres
    - mode: "0640"
    - makedirs: true
    - require:
      - {{ "test" if made else "cmd" }}: "postgresql: cluster"

"postgresql: running":
  service.running:
    - name: {{ unit }}
    - enable: true
    - watch:
      - file: "postgresql: settings"

"postgresql: ready":
  itstack.service_ready:
    - name: postgresql
    - timeout: 60
    - require:
      - service: "postgresql: running"
{%- endif %}
{%- endif %}
