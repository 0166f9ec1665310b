{{/* The chart's name in labels and object names. */}}
{{- define "vpp-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of all objects: the release's, with the chart's unless it is in it already. */}}
{{- define "vpp-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "vpp-operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "vpp-operator.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Labels that select the operator's pods; they never change in the life of a release. */}}
{{- define "vpp-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vpp-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{/* Labels of all objects. */}}
{{- define "vpp-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "vpp-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: vpp-operator
{{- end }}

{{- define "vpp-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "vpp-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Full reference of an image: (list $ "edge"). */}}
{{- define "vpp-operator.image" -}}
{{- $root := index . 0 }}
{{- $name := index . 1 }}
{{- $images := $root.Values.images }}
{{- with index $images $name }}
{{- . }}
{{- else }}
{{- printf "%s/vpp-%s:%s" (trimSuffix "/" $images.repository) $name (default $root.Chart.AppVersion $images.tag) }}
{{- end }}
{{- end }}

{{/* Security context of every container here: nothing writable, no rights. */}}
{{- define "vpp-operator.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "vpp-operator.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}
