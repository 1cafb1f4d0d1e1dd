{{/* Labels and selectors. A component is named as in (list "mlflow" .). */}}

{{- define "tidemill.metadata" -}}
namespace: {{ (index . 1).Release.Namespace }}
labels: {{- include "tidemill.labels" . | nindent 2 }}
{{- end }}

{{- define "tidemill.labels" -}}
{{- $chart := index . 1 -}}
{{ include "tidemill.selector" . }}
app.kubernetes.io/part-of: tidemill
app.kubernetes.io/version: {{ $chart.Chart.AppVersion }}
app.kubernetes.io/managed-by: {{ $chart.Release.Service }}
helm.sh/chart: {{ $chart.Chart.Name }}-{{ $chart.Chart.Version }}
{{- end }}

{{/* Pods carry no version labels: an upgrade of the chart alone restarts nothing. */}}
{{- define "tidemill.podLabels" -}}
{{ include "tidemill.selector" . }}
app.kubernetes.io/part-of: tidemill
{{- end }}

{{- define "tidemill.selector" -}}
{{- $chart := index . 1 -}}
app.kubernetes.io/name: {{ include "tidemill.name" $chart }}
app.kubernetes.io/instance: {{ $chart.Release.Name }}
app.kubernetes.io/component: {{ index . 0 }}
{{- end }}

{{/* What the pods of a component have in common whoever made them: chart, operator or KServe. */}}
{{- define "tidemill.peer" -}}
app.kubernetes.io/part-of: tidemill
app.kubernetes.io/component: {{ . }}
{{- end }}
