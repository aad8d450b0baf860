{%- if salt["itstack.active"]("keycloak") %}
{%- set facts = salt["itstack.facts"]("keycloak") %}
{%- set realm = facts.settings.realm or facts.realm %}
include:
  - itstack.keycloak.service

{%- if not facts.external %}

"keycloak: machine account":
  itstack_keycloak.account_present:
    - name: salt-itstack
    - bootstrap:
        client_id: salt-itstack-bootstrap
        client_secret: secret://keycloak-bootstrap
    - require:
      - itstack: "keycloak: ready"
{%- endif %}

"keycloak: realm {{ realm }}":
  itstack_keycloak.realm_present:
    - name: {{ realm }}
    - enabled: true
    - require:
      {%- if facts.external %}
      - itstack: "keycloak: ready"
      {%- else %}
      - itstack_keycloak: "keycloak: machine account"
      {%- endif %}
{%- endif %}
