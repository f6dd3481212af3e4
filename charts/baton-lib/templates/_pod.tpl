{{- /* For `initContainers:` of the Pod; nothing with `sidecar: ordinary`. Put it first. */}}
{{- define "baton.initContainers" -}}
{{- include "baton.check" . -}}
{{- if eq .Values.baton.sidecar "native" -}}
- {{ include "baton.container" . | nindent 2 | trim }}
{{- end -}}
{{- end -}}

{{- /* For `containers:` of the Pod; nothing with `sidecar: native`. */}}
{{- define "baton.containers" -}}
{{- include "baton.check" . -}}
{{- if eq .Values.baton.sidecar "ordinary" -}}
- {{ include "baton.container" . | nindent 2 | trim }}
{{- end -}}
{{- end -}}

{{- /*
For `volumes:` of the Pod. The sidecar brings its own token, so that it also has one where
automountServiceAccountToken is off.
*/}}
{{- define "baton.volumes" -}}
- name: baton-token
  projected:
    defaultMode: 292 # 0444
    sources:
    - serviceAccountToken: {path: token, expirationSeconds: 3600}
    - configMap:
        name: kube-root-ca.crt
        items: [{key: ca.crt, path: ca.crt}]
    - downwardAPI:
        items:
        - path: namespace
          fieldRef: {fieldPath: metadata.namespace}
{{- if .Values.baton.socket }}
- name: baton-socket
  emptyDir: {}
{{- end }}
{{- if .Values.baton.statusPage.enabled }}
- name: baton-status
  emptyDir: {medium: Memory, sizeLimit: 64Ki}
{{- end }}
{{- end -}}

{{- /* For `volumeMounts:` of your container, with `socket: true` or the status page. */}}
{{- define "baton.volumeMounts" -}}
{{- if .Values.baton.socket -}}
- {name: baton-socket, mountPath: /run/baton, readOnly: true}
{{ end -}}
{{- if .Values.baton.statusPage.enabled -}}
- {name: baton-status, mountPath: /run/baton-status, readOnly: true}
{{- end -}}
{{- end -}}

{{- /* For the `spec:` of the Deployment. */}}
{{- define "baton.strategy" -}}
{{- include "baton.check" . -}}
{{- $strategy := include "baton.effectiveStrategy" .Values.baton | fromYaml -}}
{{- if $strategy -}}
strategy: {{- toYaml $strategy | nindent 2 }}
{{- end -}}
{{- if and (eq .Values.baton.readiness "leader") (gt (int .Values.baton.replicas) 1) }}
progressDeadlineSeconds: 2147483647
{{- end -}}
{{- end -}}

{{- define "baton.version" -}}0.1.0{{- end -}}

{{- define "baton.image" -}}
{{- $image := .Values.baton.image -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default (include "baton.version" .) }}{{ end -}}
{{- end -}}

{{- /*
Settings go by variables, so that `kubectl exec POD -c baton -- /baton check` and the like, which
inherit them, need none.
*/}}
{{- define "baton.container" -}}
{{- $values := .Values.baton -}}
name: baton
image: {{ include "baton.image" . | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
args: [run]
{{- if eq $values.sidecar "native" }}
restartPolicy: Always
{{- end }}
env:
- {name: BATON_ELECTION, value: {{ $values.election | quote }}}
- {name: BATON_GRACE_PERIOD, value: {{ int $values.terminationGracePeriodSeconds }}s}
- {name: BATON_REPLICAS, value: {{ int $values.replicas | quote }}}
- {name: BATON_SIDECAR, value: {{ $values.sidecar }}}
{{- if $values.socket }}
- {name: BATON_LOCAL_ADDRESS, value: "unix:/run/baton/baton.sock"}
{{- end }}
{{- if $values.statusPage.enabled }}
- {name: BATON_STATUS_PAGE, value: /run/baton-status/page}
{{- end }}
{{- if not $values.probePort }}
- {name: BATON_PROBE_ADDRESS, value: "unix:/run/baton/probe.sock"}
{{- else if ne (int $values.probePort) 4041 }}
- {name: BATON_PROBE_ADDRESS, value: ":{{ int $values.probePort }}"}
{{- end }}
{{- if not $values.extras }}
- {name: BATON_EVENTS, value: "false"}
{{- end }}
{{- if eq $values.leaderService.by "label" }}
- {name: BATON_LEADER_LABEL, value: "true"}
{{- else if eq $values.leaderService.by "endpointslice" }}
{{- $ports := list }}
{{- range $values.leaderService.ports }}
{{- $number := int (.targetPort | default .port) }}
{{- $ports = append $ports (ternary (printf "%s=%d" .name $number) (toString $number) (hasKey . "name")) }}
{{- end }}
- {name: BATON_LEADER_SERVICE, value: {{ include "baton.leaderServiceName" $values }}}
- {name: BATON_LEADER_SERVICE_PORTS, value: {{ join "," $ports | quote }}}
{{- end }}
{{- with $values.appHealth }}
- {name: BATON_APP_HEALTH_URL, value: {{ printf "http://127.0.0.1:%d%s" (int .port) (default "/" .path) | quote }}}
{{- end }}
{{- with $values.appProcess }}
- {name: BATON_APP_PROCESS, value: {{ . | quote }}}
{{- end }}
{{- with $values.env }}
{{ toYaml . }}
{{- end }}
{{- range $key, $value := omit $values.settings (ternary "" "events" $values.extras) }}
- name: BATON_{{ $key | upper | replace "-" "_" }}
  value: {{ kindIs "slice" $value | ternary (join "," $value) (toString $value) | quote }}
{{- end }}
{{- if $values.probePort }}
ports:
- {name: baton-probe, containerPort: {{ int $values.probePort }}}
{{- end }}
startupProbe:
  {{ include "baton.probe" (list . "started" "/startupz") }}
  periodSeconds: 1
  failureThreshold: 120
livenessProbe:
  {{ include "baton.probe" (list . "live" "/livez") }}
{{- if eq $values.readiness "ready" }}
readinessProbe:
  {{ include "baton.probe" (list . "ready" "/readyz") }}
  periodSeconds: 5
{{- else if eq $values.readiness "leader" }}
readinessProbe:
  {{ include "baton.probe" (list . "leader" "/leaderz") }}
  periodSeconds: 1
  failureThreshold: 1
{{- end }}
{{- with $values.resources }}
resources: {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
- {name: baton-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- if $values.socket }}
- {name: baton-socket, mountPath: /run/baton}
{{- end }}
{{- if $values.statusPage.enabled }}
- {name: baton-status, mountPath: /run/baton-status}
{{- end }}
{{- with $values.securityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Takes (list CONTEXT WORD PATH): over the probe port, or by the binary where there is none. */}}
{{- define "baton.probe" -}}
{{- $port := int (index . 0).Values.baton.probePort -}}
{{- if $port -}}
httpGet: {path: {{ index . 2 }}, port: {{ $port }}}
{{- else -}}
exec: {command: [/baton, probe, {{ index . 1 }}]}
{{- end -}}
{{- end -}}
