{{/* Parts of NetworkPolicies. */}}

{{/* Every pod may resolve names; a node-local cache has no labels to select it by. */}}
{{- define "tidemill.egress" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- with .Values.networkPolicy.egressPorts }}
- ports:
    {{- range . }}
    - port: {{ . }}
    {{- end }}
{{- end }}
{{- end }}

{{/* The port of a URL. The host may be a name outside the cluster, which a policy cannot select. */}}
{{- define "tidemill.egressTo" -}}
{{- $url := urlParse . -}}
{{- $usual := dict "http" "80" "https" "443" "redis" "6379" "rediss" "6379" -}}
- ports: [{port: {{ regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (get $usual $url.scheme) }}}]
{{- end }}

{{/* Pods of ours, those of pipeline steps ("training") included: (list "operator" "training"). */}}
{{- define "tidemill.peers" -}}
{{- range . }}
- podSelector:
    matchLabels: {{- include "tidemill.peer" . | nindent 6 }}
{{- end }}
{{- end }}
