{{- /* The objects around the workload: Lease, Roles and RoleBindings, FlowSchema, PodMonitor, leader Service. */}}
{{- define "baton.objects" -}}
{{- include "baton.check" . -}}
{{- $values := .Values.baton -}}
{{- $subjects := include "baton.subjects" . -}}
{{- if $values.lease }}
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  name: {{ $values.election }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "baton.labels" . | nindent 4 }}
  annotations: {helm.sh/resource-policy: keep} # its fencing token must outlive the release
---
{{- end }}
# The rights on this one Lease, without which there is no election. `create` with a name lets baton
# make it anew by PUT, and no other.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: baton-lease-{{ $values.election }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "baton.labels" . | nindent 4 }}
rules:
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ $values.election | quote }}]
  verbs: [get, list, watch, update, create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: baton-lease-{{ $values.election }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "baton.labels" . | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: baton-lease-{{ $values.election }}}
subjects: {{- $subjects }}
{{- if $values.extras }}
---
# `get` on Pods: a native sidecar sees that its Pod is being deleted, which with SIGTERM proves that
# the work has ended. Events: "became leader" in `kubectl describe lease`. baton elects without both.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: baton-extras-{{ $values.election }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "baton.labels" . | nindent 4 }}
rules:
- apiGroups: [""]
  resources: [pods]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: baton-extras-{{ $values.election }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "baton.labels" . | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: baton-extras-{{ $values.election }}}
subjects: {{- $subjects }}
{{- end }}
{{- if $values.flowSchema.enabled }}
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata:
  name: baton-{{ .Release.Namespace }}-{{ $values.election }}
  labels: {{- include "baton.labels" . | nindent 4 }}
spec:
  priorityLevelConfiguration: {name: leader-election}
  matchingPrecedence: 1000
  distinguisherMethod: {type: ByUser}
  rules:
  - subjects:
    {{- range include "baton.subjects" . | fromYamlArray }}
    - kind: ServiceAccount
      serviceAccount: {name: {{ .name | quote }}, namespace: {{ .namespace }}}
    {{- end }}
    resourceRules:
    - apiGroups: [coordination.k8s.io]
      resources: [leases]
      namespaces: [{{ .Release.Namespace }}]
      verbs: [get, list, watch, update]
{{- end }}
{{- if $values.podMonitor.enabled }}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: baton-{{ $values.election }}
  namespace: {{ .Release.Namespace }}
  labels: {{- merge (dict) $values.podMonitor.labels (include "baton.labels" . | fromYaml) | toYaml | nindent 4 }}
spec:
  selector: {{- toYaml $values.podMonitor.selector | nindent 4 }}
  podMetricsEndpoints:
  - port: baton-probe
    path: /metrics
{{- end }}
{{- if $values.prometheusRule.enabled }}
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: baton-{{ $values.election }}
  namespace: {{ .Release.Namespace }}
  labels: {{- merge (dict) $values.prometheusRule.labels (include "baton.labels" . | fromYaml) | toYaml | nindent 4 }}
spec:
  groups:
  - name: baton-{{ .Release.Namespace }}-{{ $values.election }}
    rules: {{- include "baton.rules" . | trim | nindent 4 }}
{{- end }}
{{- include "baton.traffic" . }}
{{- end -}}

{{- define "baton.labels" -}}
app.kubernetes.io/name: baton
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "baton.subjects" -}}
{{- range .Values.baton.serviceAccounts | default (list .Values.baton.election) }}
- {kind: ServiceAccount, name: {{ . | quote }}, namespace: {{ $.Release.Namespace }}}
{{- end }}
{{- end -}}

{{- /* For NOTES.txt: what the values given cost, and what to look at. */}}
{{- define "baton.notes" -}}
{{- $values := .Values.baton -}}
Who leads: kubectl -n {{ .Release.Namespace }} get lease {{ $values.election }}
{{- if not $values.extras }}

Without baton.extras there are no Events, and a native sidecar releases the Lease only when the
application says that its work has ended, or when the last answer has run out (docs/termination.md).
{{- end }}
{{- $deadline := index (include "baton.timings" $values.settings | fromYaml) "renew-deadline" }}
{{- if le (mul (int $values.terminationGracePeriodSeconds) 1000000) (include "baton.microseconds" $deadline | int64) }}

baton.terminationGracePeriodSeconds is {{ int $values.terminationGracePeriodSeconds }}, not above the renew-deadline of {{ $deadline }}: a deleted leader whose work is not
proven to have ended is killed before it may release, and the next one waits for the whole
lease-duration. Set it to at least {{ add (div (include "baton.microseconds" $deadline | int64) 1000000) 1 }} (docs/termination.md).
{{- end }}
{{- if ne $values.leaderService.by "none" }}

Requests to the leader: the Service {{ include "baton.leaderServiceName" $values }}.
{{- if eq $values.leaderService.by "label" }}
Each hand-over leaves it without an endpoint for about a second; baton.leaderService.by=endpointslice does not.
{{- else }}
Its EndpointSlice is the leader's and outlives this release: kubectl -n {{ .Release.Namespace }} delete endpointslice {{ include "baton.leaderServiceName" $values }}
{{- end }}
{{- end }}
{{- if eq $values.readiness "leader" }}

Only the leader is Ready (baton.readiness=leader). What that costs:
{{- if gt (int $values.replicas) 1 }}
- A roll-out ends all old Pods at once, and there is no leader until a new one has started.
- It never reports success: the Deployment stays unavailable with {{ sub (int $values.replicas) 1 }} of {{ int $values.replicas }} Pods not Ready, so
  `kubectl rollout status` and `helm --wait` wait for ever. progressDeadlineSeconds is set to its most.
{{- else }}
- A roll-out ends the old Pod before it starts the new one.
{{- end }}
- A PodDisruptionBudget counts Ready Pods: use maxUnavailable, not minAvailable.
baton.leaderService.by=endpointslice costs none of this.
{{- end }}
{{- end -}}
