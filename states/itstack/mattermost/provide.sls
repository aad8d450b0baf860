{#- What others need of Mattermost: an account for us, bots and hooks allowed, the team and its channels. -#}
{%- if salt["itstack.active"]("mattermost") %}
{%- set facts = salt["itstack.facts"]("mattermost") %}
{%- set team = facts.settings.team %}
include:
  - itstack.mattermost.service

{%- if not facts.external %}

"mattermost: administrator":
  itstack_mattermost.administrator_present:
    - name: {{ facts.settings.admin_user }}
    - password: secret://mattermost-admin
    - email: {{ facts.settings.admin_user }}@{{ facts.domain }}
    - require:
      - itstack: "mattermost: ready"
{%- endif %}

"mattermost: team {{ team }}":
  itstack_mattermost.team_present:
    - name: {{ team }}
    - require:
      - itstack: "mattermost: ready"
      {%- if not facts.external %}
      - itstack_mattermost: "mattermost: administrator"
      {%- endif %}

{%- for channel in facts.settings.channels %}

"mattermost: channel {{ channel }}":
  itstack_mattermost.channel_present:
    - name: {{ channel | json }}
    - team: {{ team }}
    - require:
      - itstack_mattermost: "mattermost: team {{ team }}"
{%- endfor %}

{%- set trial = salt["itstack.sandbox"]().get("channel") %}
{%- if trial and trial not in facts.settings.channels %}

"mattermost: channel {{ trial }}":
  {#- Where probes post. #}
  itstack_mattermost.channel_present:
    - name: {{ trial | json }}
    - team: {{ team }}
    - require:
      - itstack_mattermost: "mattermost: team {{ team }}"
{%- endif %}

{%- for end in salt["itstack.ends"]("mattermost", "target", kind="webhook") %}
{%- if end.channel not in facts.settings.channels %}

"{{ end.id }}: channel {{ end.channel }}":
  itstack_mattermost.channel_present:
    - name: {{ end.channel | json }}
    - team: {{ end.team }}
    - require:
      - itstack_mattermost: "mattermost: team {{ team }}"
    - require_in:
      - itstack_webhook: "{{ end.id }}: hook"
{%- endif %}

"{{ end.id }}: hook":
  itstack_webhook.present:
    - name: {{ end.title | json }}
    - kind: mattermost-incoming
    {#- Only Mattermost can make its address; it goes to the other end by way of the master. #}
    - source:
        store: {{ end.id }}
    - target:
        team: {{ end.team }}
        channel: {{ end.channel | json }}
        site: {{ facts.settings.site_url or facts.url }}
    - require:
      - itstack_mattermost: "mattermost: team {{ team }}"
      {%- if end.channel in facts.settings.channels %}
      - itstack_mattermost: "mattermost: channel {{ end.channel }}"
      {%- endif %}
{%- endfor %}
{%- endif %}
