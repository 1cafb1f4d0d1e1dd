{{/* Every name of the chart. Nothing else composes one. */}}

{{- define "tidemill.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Room is left for the longest suffix, `-materialize`, within a CronJob's 52 characters. */}}
{{- define "tidemill.fullname" -}}
{{- $name := include "tidemill.name" . -}}
{{- $composed := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{ default $composed .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "tidemill.operator" -}}{{ include "tidemill.fullname" . }}-operator{{- end }}
{{- define "tidemill.serving" -}}{{ include "tidemill.fullname" . }}-serving{{- end }}
{{- define "tidemill.monitoring" -}}{{ include "tidemill.fullname" . }}-monitoring{{- end }}
{{- define "tidemill.training" -}}{{ include "tidemill.fullname" . }}-training{{- end }}
{{- define "tidemill.quality" -}}{{ include "tidemill.fullname" . }}-quality{{- end }}
{{- define "tidemill.materialize" -}}{{ include "tidemill.fullname" . }}-materialize{{- end }}
{{- define "tidemill.collector" -}}{{ include "tidemill.fullname" . }}-collector{{- end }}
{{- define "tidemill.mlflow" -}}{{ include "tidemill.fullname" . }}-mlflow{{- end }}
{{- define "tidemill.redis" -}}{{ include "tidemill.fullname" . }}-redis{{- end }}
{{- define "tidemill.dashboard" -}}{{ include "tidemill.fullname" . }}-dashboard{{- end }}
{{- define "tidemill.homeJobs" -}}{{ include "tidemill.fullname" . }}-home{{- end }}
{{- define "tidemill.environment" -}}{{ include "tidemill.fullname" . }}-environment{{- end }}

{{/* A cluster holds the runtimes of many namespaces. */}}
{{- define "tidemill.runtime" -}}{{ .Release.Namespace }}-{{ include "tidemill.fullname" . }}{{- end }}

{{/* Cluster-scoped rights carry the namespace for the same reason. */}}
{{- define "tidemill.clusterRole" -}}{{ .Release.Namespace }}-{{ include "tidemill.operator" . }}{{- end }}

{{- define "tidemill.homeClaim" -}}
{{ default (printf "%s-home" (include "tidemill.fullname" .)) .Values.home.existingClaim }}
{{- end }}

{{/* A Job cannot be changed, so a Job with other contents gets another name: (list "home" spec .). */}}
{{- define "tidemill.job" -}}
{{ include "tidemill.fullname" (index . 2) }}-{{ index . 0 }}-{{ index . 1 | sha256sum | trunc 8 }}
{{- end }}

{{- define "tidemill.mlflowUrl" -}}
{{ ternary (printf "http://%s:5000" (include "tidemill.mlflow" .)) .Values.mlflow.url .Values.mlflow.enabled }}
{{- end }}

{{- define "tidemill.onlineStoreUrl" -}}
{{ ternary (printf "redis://%s:6379/0" (include "tidemill.redis" .)) .Values.onlineStore.url .Values.redis.enabled }}
{{- end }}

{{- define "tidemill.kubeflowToken" -}}/var/run/secrets/kubeflow/pipelines/token{{- end }}

{{/* An image reference: (list image .). */}}
{{- define "tidemill.image" -}}
{{- $image := index . 0 -}}
{{- $chart := index . 1 -}}
{{- $registry := default $image.registry $chart.Values.image.registry -}}
{{- $version := ternary (printf ":%s" (default $chart.Chart.AppVersion $image.tag)) (printf "@%s" $image.digest) (empty $image.digest) -}}
{{ with $registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}{{ $version }}
{{- end }}
