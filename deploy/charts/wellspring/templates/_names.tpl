{{- define "wellspring.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "wellspring.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "wellspring.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "wellspring.image" -}}
{{- default (printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag)) .Values.image.override -}}
{{- end -}}

{{- define "wellspring.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "wellspring.labels" -}}
{{ include "wellspring.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Whether a setting of ipamd is on, in any of the ways to write it. An empty one, or one that is false, is off. */}}
{{- define "wellspring.isOn" -}}
{{- $value := index .root.Values.env .name | toString | lower -}}
{{- if has $value (list "1" "t" "true") -}}true{{- end -}}
{{- end -}}

{{/* A value of an environment variable: numbers of YAML are floats, and large ones would be written with an exponent. */}}
{{- define "wellspring.text" -}}
{{- if kindIs "float64" . -}}{{- int64 . | toString -}}{{- else -}}{{- toString . -}}{{- end -}}
{{- end -}}

{{- define "wellspring.subnets" -}}
{{- printf "%s-subnets" (include "wellspring.fullname" . | trunc 55 | trimSuffix "-") -}}
{{- end -}}

{{- define "wellspring.subnetsServiceAccount" -}}
{{- if .Values.subnetController.serviceAccount.create -}}
{{- default (include "wellspring.subnets" .) .Values.subnetController.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.subnetController.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Not the selector of ipamd's pods: the DaemonSet must not take the controller for one of them. */}}
{{- define "wellspring.subnetsSelector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}-subnets
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "wellspring.subnetsLabels" -}}
{{ include "wellspring.subnetsSelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}
