{#- Mattermost on its PostgreSQL database, with the team and channels that the integrations use. Its files come
    from an archive or a package of the user's choice; from its configuration on it's ours. -#}
{%- if salt["itstack.active"]("mattermost") %}
include:
  - itstack.mattermost.service
  - itstack.mattermost.consume
  - itstack.mattermost.provide
{%- elif salt["itstack.why_left_alone"]("mattermost") %}
"mattermost: left alone":
  itstack.left_alone:
    - name: mattermost
{%- endif %}
