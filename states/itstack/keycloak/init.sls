{#- Keycloak on its PostgreSQL database, its realm, the directory that it federates, and a client for each
    application that logs in through it. -#}
{%- if salt["itstack.active"]("keycloak") %}
include:
  - itstack.keycloak.service
  - itstack.keycloak.realm
  - itstack.keycloak.provide
{%- elif salt["itstack.why_left_alone"]("keycloak") %}
"keycloak: left alone":
  itstack.left_alone:
    - name: keycloak
{%- endif %}
