{%- if salt["itstack.active"]("redis") %}
include:
  - itstack.redis.service

{%- for end in salt["itstack.ends"]("redis", "source", kind="cache") %}

"{{ end.id }}: user {{ end.user }}":
  itstack_redis.user_present:
    - name: {{ end.user }}
    - password: {{ end.password }}
    - keys:
      - "{{ end.prefix }}*"
    - channels:
      - "{{ end.prefix }}*"
    {#- What a cache and its locks need: also clearing its own database, and reading the server's figures. #}
    - commands: "+@all -@admin -@dangerous +info +keys +flushdb"
    - require:
      - itstack: "redis: ready"
{%- endfor %}
{%- endif %}
