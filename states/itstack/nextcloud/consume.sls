{#- What Nextcloud uses of others. It's ready when all of this is in place, since a lost cache stops it. -#}
{%- if salt["itstack.active"]("nextcloud") %}
{%- set facts = salt["itstack.facts"]("nextcloud") %}
{%- set databases = salt["itstack.ends"]("nextcloud", "target", kind="database", every=True) %}
{%- set external = facts.external %}
include:
  - itstack.nextcloud.service

{#- An external one keeps the database that it has. #}
{%- for end in salt["itstack.ends"]("nextcloud", "target", kind="database") if not external %}

"{{ end.id }}: connection":
  itstack_nextcloud.system_config_present:
    - name: {{ end.id }}
    - values:
        dbtype: pgsql
        dbhost: {{ end.host }}:{{ end.port }}
        dbname: {{ end.database }}
        dbuser: {{ end.role }}
        dbpassword: {{ end.password }}
    - require:
      - itstack_nextcloud: "nextcloud: installed"
    - require_in:
      - itstack: "nextcloud: ready"
{%- endfor %}

{%- for end in salt["itstack.ends"]("nextcloud", "target", kind="cache") %}

"{{ end.id }}: cache and locks":
  itstack_nextcloud.system_config_present:
    - name: {{ end.id }}
    - values:
        memcache.local: \OC\Memcache\APCu
        memcache.distributed: \OC\Memcache\Redis
        memcache.locking: \OC\Memcache\Redis
        redis:
          host: {{ end.host }}
          port: {{ end.port }}
          user: {{ end.user }}
          password: {{ end.password }}
          dbindex: {{ end.database }}
    - require:
      {%- if databases and not external %}
      - itstack_nextcloud: "nextcloud: installed"
    - require_in:
      - itstack: "nextcloud: ready"
      {%- else %}
      - itstack: "nextcloud: ready"
      {%- endif %}
{%- endfor %}

"nextcloud: ready":
  itstack.service_ready:
    - name: nextcloud
    - timeout: 60
    - require:
      {%- if external %}
      - itstack: "nextcloud: needs"
      {%- elif databases %}
      - service: "nextcloud: running"
      {%- else %}
      - itstack: "nextcloud: database"
      {%- endif %}

{%- for end in salt["itstack.ends"]("nextcloud", "target", kind="ingress") if not external %}

"{{ end.id }}: trusted proxy":
  itstack_nextcloud.system_config_present:
    - name: {{ end.id }}
    - members:
        {#- Whose word on where a request came from counts; without it all people have the proxy's address. #}
        trusted_proxies:
          - {{ end.proxy }}
    - require:
      - itstack: "nextcloud: ready"
{%- endfor %}

{%- for end in salt["itstack.ends"]("nextcloud", "target", kind="oidc") %}

"{{ end.id }}: app":
  itstack_nextcloud.app_enabled:
    - name: user_oidc
    - require:
      - itstack: "nextcloud: ready"

{%- for group in end.groups %}

"{{ end.id }}: group {{ group }}":
  itstack_nextcloud.group_present:
    - name: {{ group }}
    - require:
      - itstack: "nextcloud: ready"
{%- endfor %}

"{{ end.id }}: provider {{ end.identifier }}":
  itstack_nextcloud.oidc_provider_present:
    - name: {{ end.identifier }}
    - client_id: {{ end.client_id }}
    - client_secret: {{ end.secret }}
    - discovery_endpoint: {{ end.discovery }}
    - scope: {{ end.scope }}
    - unique_uid: {{ end.unique_uid | json }}
    - mapping_uid: {{ end.mapping_uid }}
    - mapping_groups: {{ end.mapping_groups }}
    - group_provisioning: true
    - group_whitelist_regex: {{ end.group_whitelist | json }}
    - require:
      - itstack_nextcloud: "{{ end.id }}: app"
{%- endfor %}
{%- endif %}
