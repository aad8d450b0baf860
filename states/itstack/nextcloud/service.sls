{%- if salt["itstack.active"]("nextcloud") %}
{%- set facts = salt["itstack.facts"]("nextcloud") %}
{%- set databases = salt["itstack.ends"]("nextcloud", "target", kind="database", every=True) %}
"nextcloud: needs":
  itstack.needs_ready:
    - name: nextcloud

{%- if not databases and not facts.external %}
"nextcloud: database":
  itstack.refused:
    - name: nextcloud
    - reason: the map gives it no database that may be written into its configuration
    - remedy: >-
        switch the integration with its database on and set the mode of both ends to manage, or set
        services.nextcloud.mode to observe
{%- elif not facts.external %}
{%- set database = databases | first %}
"nextcloud: files":
  file.exists:
    - name: {{ facts.settings.root }}/occ
    - require:
      - itstack: "nextcloud: needs"

"nextcloud: installed":
  itstack_nextcloud.installed:
    - name: nextcloud
    - database_name: {{ database.database }}
    - database_user: {{ database.role }}
    - database_password: {{ database.password }}
    - database_host: {{ database.host }}
    - database_port: {{ database.port }}
    - admin_user: {{ facts.settings.admin_user }}
    - admin_password: secret://nextcloud-admin
    - data_directory: {{ facts.settings.data_directory }}
    - require:
      - file: "nextcloud: files"

"nextcloud: address":
  itstack_nextcloud.system_config_present:
    - name: nextcloud
    - values:
        trusted_domains:
          - {{ facts.fqdn }}
        overwrite.cli.url: {{ facts.url }}
        overwriteprotocol: https
        {#- Keycloak's address is a private one in most stacks; without this no discovery is fetched. #}
        allow_local_remote_servers: true
        {#- Nextcloud brings its own list of CAs, without that of the stack. #}
        default_certificates_bundle_path: {{ facts.ca_file }}
    - require:
      - itstack_nextcloud: "nextcloud: installed"

"nextcloud: running":
  service.running:
    - name: {{ facts.settings.unit }}
    - enable: true
    - require:
      - itstack_nextcloud: "nextcloud: address"
{%- endif %}
{%- endif %}
