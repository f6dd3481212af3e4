{{- /* Is anything wanted that belongs to one election? Without a name only policies can be. */}}
{{- define "baton.hasElection" -}}
{{- if or .Values.baton.election .Values.demo.enabled (not (or .Values.guard.enabled .Values.injection.enabled)) -}}
true
{{- end -}}
{{- end -}}

{{- /* Takes (list CONTEXT VALUE MINOR): fails where the cluster is older than Kubernetes 1.MINOR. */}}
{{- define "baton.needs" -}}
{{- $version := (index . 0).Capabilities.KubeVersion.Version -}}
{{- if not (semverCompare (printf ">=1.%d.0-0" (index . 2)) $version) -}}
  {{- printf "%s needs Kubernetes 1.%d or newer, and this is %s: set it to false" (index . 1) (index . 2) $version | fail -}}
{{- end -}}
{{- end -}}

{{- /*
YAML as an expression of CEL: (dict "type" TYPE "value" VALUE). Policies know the fields of a Pod as
types named by their path, save for plain maps. A string `cel:…` is an expression itself.
*/}}
{{- define "baton.cel" -}}
{{- $type := .type -}}
{{- $parts := list -}}
{{- if kindIs "map" .value -}}
  {{- $isPlain := regexMatch "\\.(requests|limits)$" $type -}}
  {{- range $key, $value := .value -}}
    {{- $cel := include "baton.cel" (dict "type" (printf "%s.%s" $type $key) "value" $value) -}}
    {{- $parts = append $parts (printf "%s: %s" (ternary (toJson $key) $key $isPlain) $cel) -}}
  {{- end -}}
  {{- printf "%s{%s}" (ternary "" $type $isPlain) (join ", " $parts) -}}
{{- else if kindIs "slice" .value -}}
  {{- range .value -}}
    {{- $parts = append $parts (include "baton.cel" (dict "type" $type "value" .)) -}}
  {{- end -}}
  {{- printf "[%s]" (join ", " $parts) -}}
{{- else if kindIs "float64" .value -}}
  {{- int64 .value -}}
{{- else if hasPrefix "cel:" (toString .value) -}}
  {{- trimPrefix "cel:" .value -}}
{{- else -}}
  {{- toJson .value -}}
{{- end -}}
{{- end -}}
