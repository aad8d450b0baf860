{#- What others need of the directory: the groups that they map, and an account of its own for each of them. -#}
{%- if salt["itstack.active"]("freeipa") %}
{%- set facts = salt["itstack.facts"]("freeipa") %}
{%- set sandbox = salt["itstack.sandbox"]() %}
include:
  - itstack.freeipa.service

{%- for end in salt["itstack.ends"]("freeipa", "source", kind="ldap") %}

"{{ end.id }}: system account {{ end.account }}":
  itstack_freeipa.system_account_present:
    - name: {{ end.account }}
    - description: {{ end.other }} reads people and groups (salt-itstack)
    - password: {{ end.password }}
    - password_check: {{ facts.settings.password_check }}
    - require:
      - itstack: "freeipa: ready"
{%- endfor %}

{%- if sandbox.get("person") %}

"freeipa: person {{ sandbox.person }}":
  itstack_freeipa.user_present:
    - name: {{ sandbox.person }}
    - first_name: Probe
    - last_name: Salt-itstack
    - mail:
      - {{ sandbox.person }}@{{ facts.domain }}
    - password: secret://sandbox-person
    {#- A password that an administrator sets is expired at once, and a probe can't change it. #}
    - password_expires: "20380101000000Z"
    - require:
      - itstack: "freeipa: ready"
{%- endif %}

{%- for group in facts.groups %}

"freeipa: group {{ group }}":
  itstack_freeipa.group_present:
    - name: {{ group }}
    {%- if sandbox and group == sandbox.group %}
    - users:
      - {{ sandbox.person }}
    {%- endif %}
    - require:
      - itstack: "freeipa: ready"
      {%- if sandbox %}
      - itstack_freeipa: "freeipa: person {{ sandbox.person }}"
      {%- endif %}
{%- endfor %}
{%- endif %}
