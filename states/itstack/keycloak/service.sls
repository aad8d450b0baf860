{%- if salt["itstack.active"]("keycloak") %}
{%- set facts = salt["itstack.facts"]("keycloak") %}
{%- set version = facts.settings.version %}
{%- set folder = "/opt/keycloak-" ~ version %}
{%- set built_with = "db=postgres health metrics " ~ version %}
{#- Where a state has `unless`, Salt loads all of its state modules, for a second or two: not where it's known. #}
{%- set note = folder ~ "/conf/itstack-built-with" %}
{%- set built = salt["file.file_exists"](note) and salt["file.read"](note).strip() == built_with %}
{%- set databases = salt["itstack.ends"]("keycloak", "target", kind="database", every=True) %}
"keycloak: needs":
  itstack.needs_ready:
    - name: keycloak

{%- if facts.external %}
"keycloak: ready":
  itstack.service_ready:
    - name: keycloak
    - timeout: 240
    - require:
      - itstack: "keycloak: needs"
{%- elif not databases %}
"keycloak: database":
  itstack.refused:
    - name: keycloak
    - reason: the map gives it no database that may be written into its configuration
    - remedy: >-
        switch the integration with its database on and set the mode of both ends to manage, or set
        services.keycloak.mode to observe

"keycloak: ready":
  itstack.service_ready:
    - name: keycloak
    - timeout: 240
    - require:
      - itstack: "keycloak: database"
{%- else %}
{%- set database = databases | first %}
{%- set which = salt["cmd.which"]("java") %}
{%- set java = "pkg" if facts.settings.java_package else "test" if which else "itstack" %}
"keycloak: java":
{%- if facts.settings.java_package %}
  pkg.installed:
    - name: {{ facts.settings.java_package }}
    - require:
      - itstack: "keycloak: needs"
{%- elif which %}
  test.nop: []
{%- else %}
  itstack.refused:
    - name: keycloak
    - reason: there is no java in the minion's path
    - remedy: >-
        install a Java that this Keycloak supports (17 or 21), or name its package as
        services.keycloak.settings.java_package, such as openjdk-17-jre-headless on Debian 12
    - require:
      - itstack: "keycloak: needs"
{%- endif %}

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
      - {{ "test" if built else "cmd" }}: "keycloak: build"
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
{%- if built %}
  test.nop:
    - require:
      - file: "keycloak: settings"
{%- else %}
  {#- Neither `cwd` nor `runas`: in a dry run from nothing they name what doesn't exist yet. #}
  cmd.run:
    - name: >-
        cd {{ folder }} && runuser -u keycloak -- sh -c
        "bin/kc.sh build && echo '{{ built_with }}' > {{ note }}"
    - env:
      {#- The build is a Java program of its own. #}
      - JAVA_OPTS_APPEND: {{ facts.settings.java_options | json }}
    - unless: grep -qxF '{{ built_with }}' {{ note }}
    - require:
      - file: "keycloak: settings"
      - {{ java }}: "keycloak: java"
{%- endif %}

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
      - {{ "test" if built else "cmd" }}: "keycloak: build"

"keycloak: ready":
  itstack.service_ready:
    - name: keycloak
    - timeout: 240
    - require:
      - service: "keycloak: running"
{%- endif %}
{%- endif %}
