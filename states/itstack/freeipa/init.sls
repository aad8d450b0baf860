{#- FreeIPA: source of truth for people, groups, hosts and names. Its installer asks for passwords on the
    command line and can't be undone, so a person runs `ipa-server-install`; from there on it's ours. -#}
{%- if salt["itstack.active"]("freeipa") %}
include:
  - itstack.freeipa.service
  - itstack.freeipa.provide
{%- elif salt["itstack.why_left_alone"]("freeipa") %}
"freeipa: left alone":
  itstack.left_alone:
    - name: freeipa
{%- endif %}
