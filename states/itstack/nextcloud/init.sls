{#- Nextcloud on its PostgreSQL database, with its locks and cache in Redis, and logins through Keycloak. Its
    files come from a package or an archive of the user's choice; from the first installation on it's ours. -#}
{%- if salt["itstack.active"]("nextcloud") %}
include:
  - itstack.nextcloud.service
  - itstack.nextcloud.consume
{%- elif salt["itstack.why_left_alone"]("nextcloud") %}
"nextcloud: left alone":
  itstack.left_alone:
    - name: nextcloud
{%- endif %}
