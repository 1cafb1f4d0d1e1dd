{{/* A pod of `helm test`: (list NAME CODE .). Our images have Python and neither shell nor curl. */}}
{{- define "tidemill.testPod" -}}
{{- $chart := index . 2 -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "tidemill.fullname" $chart }}-test-{{ index . 0 }}
  namespace: {{ $chart.Release.Namespace }}
  labels: {{- include "tidemill.podLabels" (list "test" $chart) | nindent 4 }}
  annotations:
    helm.sh/hook: test
    # A failed one stays, for its log.
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  {{- include "tidemill.pod" $chart | nindent 2 }}
  containers:
    - name: check
      image: {{ include "tidemill.image" (list $chart.Values.operator.image $chart) }}
      imagePullPolicy: {{ $chart.Values.operator.image.pullPolicy }}
      command: [python, -c]
      args:
        - |
          {{- index . 1 | trim | nindent 10 }}
      envFrom: {{- include "tidemill.envFrom" $chart | nindent 8 }}
      resources: {{- toYaml $chart.Values.tests.resources | nindent 8 }}
      securityContext: {{- include "tidemill.container" $chart | nindent 8 }}
{{- end }}

{{/* Ask a URL and be content with 200. */}}
{{- define "tidemill.askUrl" -}}
from urllib.request import urlopen
with urlopen("{{ . }}", timeout=10) as answer:
    print(answer.status, answer.url)
{{- end }}
