{%- if salt["itstack.active"]("redis") %}
{%- set facts = salt["itstack.facts"]("redis") %}
{%- if facts.external %}
"redis: ready":
  itstack.service_ready:
    - name: redis
    - timeout: 30
{%- else %}
"redis: needs":
  itstack.needs_ready:
    - name: redis

"redis: installed":
  pkg.installed:
    - name: redis-server
    - require:
      - itstack: "redis: needs"

"redis: first users":
  {#- Only until Redis saves its own: from then on the file is the server's, and users are states. #}
  file.managed:
    - name: /etc/redis/users.acl
    - source: salt://itstack/redis/users.acl
    - template: jinja
    - replace: false
    - show_changes: false
    {#- No mode: Redis writes it anew with its own, and the folder is closed to others. #}
    - user: redis
    - group: redis
    - require:
      - pkg: "redis: installed"

"redis: settings":
  file.managed:
    - name: /etc/redis/redis.conf
    - source: salt://itstack/redis/redis.conf
    - template: jinja
    - context:
        facts: {{ facts | json }}
    - user: redis
    - group: redis
    - mode: "0640"
    - require:
      - file: "redis: first users"

"redis: running":
  service.running:
    - name: {{ facts.units | first }}
    - enable: true
    - watch:
      - file: "redis: settings"

"redis: ready":
  itstack.service_ready:
    - name: redis
    - timeout: 30
    - require:
      - service: "redis: running"
{%- endif %}
{%- endif %}
