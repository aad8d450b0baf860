{#- What Mattermost uses of others. It takes its database from its environment, at its start. -#}
{%- if salt["itstack.active"]("mattermost") %}
{%- set external = salt["itstack.facts"]("mattermost").external %}
include:
  - itstack.mattermost.service

{#- An external one keeps the database that it has. #}
{%- for end in salt["itstack.ends"]("mattermost", "target", kind="database") if not external %}

"{{ end.id }}: connection":
  file.managed:
    - name: /etc/mattermost/database.env
    - source: salt://itstack/mattermost/database.env
    - template: jinja
    - context:
        database: {{ end | json }}
    {#- It holds the database password. #}
    - show_changes: false
    - user: root
    - group: root
    - mode: "0600"
    - makedirs: true
    - require:
      - file: "mattermost: files"
    - watch_in:
      - service: "mattermost: running"
{%- endfor %}
{%- endif %}
