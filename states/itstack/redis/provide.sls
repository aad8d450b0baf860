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
    - channels: []
    {#- Of the dangerous commands, clearing a cache by prefix needs KEYS. #}
    - commands: "+@all -@admin -@dangerous +info +keys"
    - require:
      - itstack: "redis: ready"
{%- endfor %}
{%- endif %}
