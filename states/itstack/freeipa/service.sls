{%- if salt["itstack.active"]("freeipa") %}
{%- if salt["itstack.facts"]("freeipa").external %}
"freeipa: ready":
  itstack.service_ready:
    - name: freeipa
    - timeout: 120
{%- else %}
"freeipa: installed":
  file.exists:
    - name: /etc/ipa/default.conf

"freeipa: running":
  service.running:
    - name: ipa
    - enable: true
    - require:
      - file: "freeipa: installed"

"freeipa: ready":
  itstack.service_ready:
    - name: freeipa
    - timeout: 120
    - require:
      - service: "freeipa: running"
{%- endif %}
{%- endif %}
