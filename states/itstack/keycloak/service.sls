{%- if salt["itstack.active"]("keycloak") %}
{%- set facts = salt["itstack.facts"]("keycloak") %}
{%- set version = facts.settings.version %}
{%- set folder = "/opt/keycloak-" ~ version %}
{%- set built_with = "db=postgres health metrics " ~ version %}
{%- set database = salt["itstack.ends"]("keycloak", "target", kind="database") | first %}
"keycloak: needs":
  itstack.needs_ready:
    - name: keycloak

"keycloak: account":
  user.present:
    - name: keycloak
    - system: true
    - usergroup: true
    {#- Debian's group for those who may read private keys. #}
    - optional_groups:
      - ssl-cert
    - home: /opt/keycloak
    - createhome: false
    - shell: /usr/sbin/nologin
    - require:
      - itstack: "keycloak: needs"

{%- if facts.settings.source %}

"keycloak: files":
  archive.extracted:
    - name: /opt
    - source: {{ facts.settings.source | json }}
    {%- if facts.settings.source_hash %}
    - source_hash: {{ facts.settings.source_hash }}
    {%- else %}
    - skip_verify: true
    {%- endif %}
    - if_missing: {{ folder }}/bin/kc.sh
    - require:
      - user: "keycloak: account"

"keycloak: owner of the files":
  {#- Not the extraction's own option: its dry run fails while the account doesn't exist. #}
  file.directory:
    - name: {{ folder }}
    - user: keycloak
    - group: keycloak
    - recurse: [user, group]
    - require:
      - archive: "keycloak: files"
    - require_in:
      - cmd: "keycloak: build"
{%- else %}

"keycloak: files":
  file.exists:
    - name: {{ folder }}/bin/kc.sh
    - require:
      - user: "keycloak: account"
{%- endif %}

"keycloak: link":
  file.symlink:
    - name: /opt/keycloak
    - target: {{ folder }}
    - require:
      - {{ "archive" if facts.settings.source else "file" }}: "keycloak: files"

"keycloak: settings":
  file.managed:
    - name: {{ folder }}/conf/keycloak.conf
    - source: salt://itstack/keycloak/keycloak.conf
    - template: jinja
    - context:
        facts: {{ facts | json }}
        database: {{ database | json }}
    {#- It holds the database password. #}
    - show_changes: false
    - user: keycloak
    - group: keycloak
    - mode: "0600"
    - require:
      - file: "keycloak: link"

"keycloak: environment":
  file.managed:
    - name: /etc/keycloak/keycloak.env
    - source: salt://itstack/keycloak/keycloak.env
    - template: jinja
    - context:
        facts: {{ facts | json }}
    - show_changes: false
    - user: root
    - group: keycloak
    - mode: "0640"
    - makedirs: true
    - require:
      - user: "keycloak: account"

"keycloak: build":
  {#- Neither `cwd` nor `runas`: in a dry run from nothing they name what doesn't exist yet. #}
  cmd.run:
    - name: >-
        cd {{ folder }} && runuser -u keycloak -- sh -c
        "bin/kc.sh build && echo '{{ built_with }}' > conf/itstack-built-with"
    - unless: grep -qxF '{{ built_with }}' {{ folder }}/conf/itstack-built-with
    - require:
      - file: "keycloak: settings"

"keycloak: unit":
  file.managed:
    - name: /etc/systemd/system/keycloak.service
    - source: salt://itstack/keycloak/keycloak.service
    - require:
      - file: "keycloak: environment"
  module.run:
    - service.systemctl_reload: []
    - onchanges:
      - file: "keycloak: unit"

"keycloak: running":
  service.running:
    - name: keycloak
    - enable: true
    - require:
      - module: "keycloak: unit"
    - watch:
      - file: "keycloak: settings"
      - file: "keycloak: environment"
      - file: "keycloak: unit"
      - cmd: "keycloak: build"

"keycloak: ready":
  itstack.service_ready:
    - name: keycloak
    - timeout: 240
    - require:
      - service: "keycloak: running"
{%- endif %}
