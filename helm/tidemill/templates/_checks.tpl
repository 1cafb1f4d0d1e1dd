{{/* Combinations of values that a schema cannot judge. */}}
{{- define "tidemill.checks" -}}
{{- if and (not .Values.mlflow.enabled) (not .Values.mlflow.url) }}
{{- fail "mlflow.url is empty and mlflow.enabled is false: name your MLflow server, or turn ours on" }}
{{- end }}
{{- if and (not .Values.redis.enabled) (not .Values.onlineStore.url) }}
{{- fail "onlineStore.url is empty and redis.enabled is false: name your Redis, or turn ours on" }}
{{- end }}
{{- if and .Values.redis.requirePassword (not .Values.credentials.existingSecret) }}
{{- fail "redis.requirePassword is true but credentials.existingSecret is empty: name a Secret with the key TIDEMILL_ONLINE_STORE_PASSWORD" }}
{{- end }}
{{- if and .Values.collector.enabled (not .Values.collector.writeKeys.existingSecret) }}
{{- fail "collector.enabled is true but collector.writeKeys.existingSecret is empty: name a Secret with a write key for each source" }}
{{- end }}
{{- end }}
