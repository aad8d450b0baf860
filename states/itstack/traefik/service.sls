{%- if salt["itstack.active"]("traefik") %}
{%- set facts = salt["itstack.facts"]("traefik") %}
{%- if facts.external %}
"traefik: ready":
  itstack.service_ready:
    - name: traefik
    - timeout: 30
{%- else %}
"traefik: needs":
  itstack.needs_ready:
    - name: traefik

"traefik: account":
  user.present:
    - name: traefik
    - system: true
    - usergroup: true
    {#- Debian's group for those who may read private keys. #}
    - optional_groups:
      - ssl-cert
    - home: /var/lib/traefik
    - createhome: true
    - shell: /usr/sbin/nologin
    - require:
      - itstack: "traefik: needs"

"traefik: program":
{%- if facts.settings.source %}
  file.managed:
    - name: {{ facts.settings.binary }}
    - source: {{ facts.settings.source | json }}
    {%- if facts.settings.source_hash %}
    - source_hash: {{ facts.settings.source_hash }}
    {%- else %}
    - skip_verify: true
    {%- endif %}
    - mode: "0755"
{%- else %}
  file.exists:
    - name: {{ facts.settings.binary }}
{%- endif %}
    - require:
      - user: "traefik: account"

"traefik: documents":
  file.directory:
    - name: {{ facts.settings.directory }}
    - user: root
    - group: traefik
    - mode: "0750"
    - makedirs: true
    - require:
      - user: "traefik: account"

"traefik: logs":
  file.directory:
    - name: /var/log/traefik
    - user: traefik
    - group: traefik
    - mode: "0750"
    - require:
      - user: "traefik: account"

"traefik: settings":
  file.managed:
    - name: /etc/traefik/traefik.yml
    - source: salt://itstack/traefik/traefik.yml
    - template: jinja
    - context:
        facts: {{ facts | json }}
    - user: root
    - group: traefik
    - mode: "0640"
    - require:
      - file: "traefik: program"
      - file: "traefik: documents"
      - file: "traefik: logs"

"traefik: unit":
  file.managed:
    - name: /etc/systemd/system/traefik.service
    - source: salt://itstack/traefik/traefik.service
    - template: jinja
    - context:
        facts: {{ facts | json }}
    - require:
      - file: "traefik: settings"
  module.run:
    - service.systemctl_reload: []
    - onchanges:
      - file: "traefik: unit"

"traefik: running":
  service.running:
    - name: {{ facts.units[0] }}
    - enable: true
    - require:
      - module: "traefik: unit"
    - watch:
      - file: "traefik: settings"
      - file: "traefik: unit"

"traefik: ready":
  itstack.service_ready:
    - name: traefik
    - timeout: 30
    - require:
      - service: "traefik: running"
{%- endif %}
{%- endif %}
