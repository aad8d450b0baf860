{#- What Keycloak has of others, and others of it: the federated directory, and a client each. -#}
{%- if salt["itstack.active"]("keycloak") %}
{%- set facts = salt["itstack.facts"]("keycloak") %}
{%- set realm = facts.settings.realm or facts.realm %}
include:
  - itstack.keycloak.realm

{%- for end in salt["itstack.ends"]("keycloak", "target", kind="ldap") %}

"{{ end.id }}: federation {{ end.provider }}":
  itstack_keycloak.federation_present:
    - name: {{ end.provider }}
    - realm: {{ realm }}
    - url: {{ end.ldap_url }}
    - bind_dn: {{ end.bind_dn }}
    - bind_credential: {{ end.password }}
    - users_dn: {{ end.users_dn }}
    - filter: {{ end.user_filter }}
    - groups_dn: {{ end.groups_dn }}
    - groups_path: {{ end.groups_path }}
    - drop_missing_groups: {{ end.drop_missing_groups | json }}
    - changed_sync_period: {{ end.sync_seconds }}
    - full_sync_period: {{ end.full_sync_seconds }}
    - require:
      - itstack_keycloak: "keycloak: realm {{ realm }}"
{%- endfor %}

{%- for end in salt["itstack.ends"]("keycloak", "source", kind="oidc") %}

"{{ end.id }}: client {{ end.client_id }}":
  itstack_keycloak.client_present:
    - name: {{ end.client_id }}
    - realm: {{ realm }}
    - secret: {{ end.secret }}
    {%- for key, value in end.client.items() %}
    - {{ key }}: {{ value | json }}
    {%- endfor %}
    - require:
      - itstack_keycloak: "keycloak: realm {{ realm }}"
{%- endfor %}
{%- endif %}
