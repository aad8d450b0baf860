{#- Redis, and in it an ACL user of its own for each application that the map connects to it. -#}
{%- if salt["itstack.active"]("redis") %}
include:
  - itstack.redis.service
  - itstack.redis.provide
{%- elif salt["itstack.why_left_alone"]("redis") %}
"redis: left alone":
  itstack.left_alone:
    - name: redis
{%- endif %}
