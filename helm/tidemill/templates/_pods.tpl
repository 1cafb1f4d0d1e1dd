{{/* What all pods have in common. Every pod satisfies the restricted Pod Security Standard. */}}

{{/* fsGroup makes a fresh volume writable for the one user that all Tidemill containers run as. */}}
{{- define "tidemill.pod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  # Without it every start would walk through all files of the volume.
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
enableServiceLinks: false
{{- include "tidemill.placement" . }}
{{- end }}

{{- define "tidemill.placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tidemill.container" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Settings by the names of their variables. */}}
{{- define "tidemill.envFrom" -}}
- configMapRef: {name: {{ include "tidemill.environment" . }}}
{{- with .Values.credentials.existingSecret }}
- secretRef: {name: {{ . }}, optional: true}
{{- end }}
{{- end }}

{{/* KServe with Knative allows neither a second port nor a preStop hook. */}}
{{- define "tidemill.knative" -}}
{{- $mode := .Values.serving.deploymentMode -}}
{{- $found := .Capabilities.APIVersions.Has "serving.knative.dev/v1" -}}
{{- if or (eq $mode "Knative") (and (eq $mode "Auto") $found) }}true{{ end }}
{{- end }}
