{%- if salt["itstack.active"]("mattermost") %}
{%- set facts = salt["itstack.facts"]("mattermost") %}
{%- set databases = salt["itstack.ends"]("mattermost", "target", kind="database", every=True) %}
"mattermost: needs":
  itstack.needs_ready:
    - name: mattermost

{%- if facts.external %}
"mattermost: ready":
  itstack.service_ready:
    - name: mattermost
    - timeout: 120
    - require:
      - itstack: "mattermost: needs"
{%- elif not databases %}
"mattermost: database":
  itstack.refused:
    - name: mattermost
    - reason: the map gives it no database that may be written into its configuration
    - remedy: >-
        switch the integration with its database on and set the mode of both ends to manage, or set
        services.mattermost.mode to observe

"mattermost: ready":
  itstack.service_ready:
    - name: mattermost
    - timeout: 120
    - require:
      - itstack: "mattermost: database"
{%- else %}
"mattermost: files":
  file.exists:
    - name: {{ facts.settings.root }}/bin/mattermost
    - require:
      - itstack: "mattermost: needs"

"mattermost: environment":
  file.managed:
    - name: /etc/mattermost/mattermost.env
    - source: salt://itstack/mattermost/mattermost.env
    - template: jinja
    - context:
        facts: {{ facts | json }}
    - user: root
    - group: root
    - mode: "0600"
    - makedirs: true
    - require:
      - file: "mattermost: files"

"mattermost: drop-in":
  file.managed:
    - name: /etc/systemd/system/{{ facts.settings.unit }}.service.d/itstack.conf
    - contents: |
        # Written by Salt (itstack.mattermost); local changes are undone.
        [Service]
        EnvironmentFile=/etc/mattermost/mattermost.env
        EnvironmentFile=/etc/mattermost/database.env
    - makedirs: true
    - require:
      - file: "mattermost: environment"
  module.run:
    - service.systemctl_reload: []
    - onchanges:
      - file: "mattermost: drop-in"

"mattermost: running":
  service.running:
    - name: {{ facts.settings.unit }}
    - enable: true
    - require:
      - module: "mattermost: drop-in"
    - watch:
      - file: "mattermost: environment"
      - file: "mattermost: drop-in"

"mattermost: ready":
  itstack.service_ready:
    - name: mattermost
    - timeout: 120
    - require:
      - service: "mattermost: running"
{%- endif %}
{%- endif %}
