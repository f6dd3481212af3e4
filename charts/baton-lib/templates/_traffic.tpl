{{- /*
The Service that leads to the leader alone, the rights that it needs, and the policies without which
those rights would reach further than their purpose: they are never rendered apart.
*/}}
{{- define "baton.traffic" -}}
{{- $values := .Values.baton -}}
{{- $by := $values.leaderService.by -}}
{{- if ne $by "none" }}
{{- $service := include "baton.leaderServiceName" $values }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $service }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "baton.labels" . | nindent 4 }}
spec:
  {{- if eq $by "label" }}
  selector: {baton/leader: {{ $values.election | quote }}}
  {{- else }}
  # No selector: the leader writes the EndpointSlice {{ $service }}.
  {{- end }}
  ports: {{- toYaml $values.leaderService.ports | nindent 2 }}
---
# The policies beside it narrow these rights to their purpose.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: baton-traffic-{{ $values.election }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "baton.labels" . | nindent 4 }}
rules:
{{- if eq $by "label" }}
- apiGroups: [""]
  resources: [pods]
  verbs: [list, patch]
{{- else }}
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  resourceNames: [{{ $service }}]
  verbs: [get, update]
- apiGroups: [discovery.k8s.io] # RBAC knows no name of what is created by POST
  resources: [endpointslices]
  verbs: [create]
- apiGroups: [""] # the own Pod's address
  resources: [pods]
  verbs: [get]
{{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: baton-traffic-{{ $values.election }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "baton.labels" . | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: baton-traffic-{{ $values.election }}}
subjects: {{- include "baton.subjects" . }}
---
{{- if eq $by "label" }}
{{ include "baton.labelPolicy" . }}
{{- else }}
{{ include "baton.slicePolicy" . }}
{{- end }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: baton-traffic-{{ .Release.Namespace }}-{{ $values.election }}
  labels: {{- include "baton.labels" . | nindent 4 }}
spec:
  policyName: baton-traffic-{{ .Release.Namespace }}-{{ $values.election }}
  validationActions: [Deny]
  matchResources:
    namespaceSelector:
      matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}
{{- end }}
{{- end -}}

{{- define "baton.leaderServiceName" -}}
{{- .leaderService.name | default .election -}}
{{- end -}}

{{- /* The head of both policies: they touch only what the candidates of this election do. */}}
{{- define "baton.trafficPolicyHead" -}}
{{- $accounts := list -}}
{{- range include "baton.subjects" . | fromYamlArray -}}
{{- $accounts = append $accounts (printf "'system:serviceaccount:%s:%s'" .namespace .name) -}}
{{- end -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: baton-traffic-{{ .Release.Namespace }}-{{ .Values.baton.election }}
  labels: {{- include "baton.labels" . | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConditions:
  - name: by-a-candidate
    expression: request.userInfo.username in [{{ join ", " $accounts }}]
{{- end -}}

{{- /* The uid of the Pod that the token is bound to, "none" where it is bound to none. */}}
{{- define "baton.podOfTheToken" -}}
"'authentication.kubernetes.io/pod-uid' in request.userInfo.extra ? request.userInfo.extra['authentication.kubernetes.io/pod-uid'][0] : 'none'"
{{- end -}}

{{- define "baton.labelPolicy" -}}
{{- $label := "baton/leader" -}}
{{- $value := .Values.baton.election -}}
# `patch` on Pods reaches every Pod of the namespace and its images. A candidate may set this label on
# the Pod that its token is bound to, take it off any, and change nothing else.
{{ include "baton.trafficPolicyHead" . }}
  matchConstraints:
    resourceRules:
    - apiGroups: [""]
      apiVersions: [v1]
      operations: [UPDATE]
      resources: [pods]
  variables:
  - name: pod
    expression: {{ include "baton.podOfTheToken" . }}
  - name: before
    expression: "has(oldObject.metadata.labels) ? oldObject.metadata.labels : {}"
  - name: after
    expression: "has(object.metadata.labels) ? object.metadata.labels : {}"
  - name: hadLabel
    expression: "'{{ $label }}' in variables.before"
  - name: hasLabel
    expression: "'{{ $label }}' in variables.after"
  - name: isLabelSame
    expression: >-
      variables.hadLabel == variables.hasLabel &&
      (!variables.hadLabel || variables.before['{{ $label }}'] == variables.after['{{ $label }}'])
  - name: areOtherLabelsSame
    expression: >-
      variables.before.all(k, k == '{{ $label }}' || (k in variables.after && variables.after[k] == variables.before[k])) &&
      variables.after.all(k, k == '{{ $label }}' || k in variables.before)
  - name: isRestSame
    expression: >-
      object.spec == oldObject.spec &&
      (has(object.metadata.annotations) ? object.metadata.annotations : {}) == (has(oldObject.metadata.annotations) ? oldObject.metadata.annotations : {}) &&
      (has(object.metadata.finalizers) ? object.metadata.finalizers : []) == (has(oldObject.metadata.finalizers) ? oldObject.metadata.finalizers : []) &&
      (has(object.metadata.ownerReferences) ? object.metadata.ownerReferences : []) == (has(oldObject.metadata.ownerReferences) ? oldObject.metadata.ownerReferences : [])
  validations:
  - expression: variables.areOtherLabelsSame && variables.isRestSame
    message: a candidate of {{ $value }} may change no more of a Pod than its label {{ $label }}
  - expression: variables.isLabelSame || !variables.hadLabel || variables.before['{{ $label }}'] == '{{ $value }}'
    message: a candidate of {{ $value }} may not take another election's label {{ $label }} away
  - expression: >-
      variables.isLabelSame || !variables.hasLabel ||
      (variables.after['{{ $label }}'] == '{{ $value }}' && variables.pod == string(oldObject.metadata.uid))
    message: a candidate of {{ $value }} may set {{ $label }}={{ $value }} on its own Pod alone, with a token that is bound to it
{{- end -}}

{{- define "baton.slicePolicy" -}}
{{- $service := include "baton.leaderServiceName" .Values.baton -}}
# `create` and `update` on EndpointSlices could send any Service's traffic anywhere. A candidate may
# write the one of this Service, lead it to the Pod that its token is bound to or to none, and never
# over a later term's. The address itself cannot be checked here.
{{ include "baton.trafficPolicyHead" . }}
  matchConstraints:
    resourceRules:
    - apiGroups: [discovery.k8s.io]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [endpointslices]
  variables:
  - name: pod
    expression: {{ include "baton.podOfTheToken" . }}
  - name: labels
    expression: "has(object.metadata.labels) ? object.metadata.labels : {}"
  - name: endpoints
    expression: "has(object.endpoints) && object.endpoints != null ? object.endpoints : []"
  - name: isOwn
    expression: variables.endpoints.size() == 1 && has(variables.endpoints[0].targetRef) && variables.endpoints[0].targetRef.uid == variables.pod
  - name: before
    expression: "oldObject != null && has(oldObject.endpoints) && oldObject.endpoints != null ? oldObject.endpoints : []"
  - name: wasOwn
    expression: variables.before.all(e, has(e.targetRef) && e.targetRef.uid == variables.pod)
  - name: shownBefore
    expression: "oldObject != null && has(oldObject.metadata.annotations) && 'baton/fencing-token' in oldObject.metadata.annotations ? oldObject.metadata.annotations['baton/fencing-token'] : 'none'"
  - name: shownAfter
    expression: "has(object.metadata.annotations) && 'baton/fencing-token' in object.metadata.annotations ? object.metadata.annotations['baton/fencing-token'] : 'none'"
  - name: tokenBefore
    expression: "variables.shownBefore.matches('^[1-9][0-9]{0,17}$') ? int(variables.shownBefore) : 0"
  - name: tokenAfter
    expression: "variables.shownAfter.matches('^[1-9][0-9]{0,17}$') ? int(variables.shownAfter) : 0"
  validations:
  - expression: >-
      object.metadata.name == '{{ $service }}' &&
      'kubernetes.io/service-name' in variables.labels && variables.labels['kubernetes.io/service-name'] == '{{ $service }}' &&
      'endpointslice.kubernetes.io/managed-by' in variables.labels && variables.labels['endpointslice.kubernetes.io/managed-by'] == 'baton'
    message: a candidate of {{ .Values.baton.election }} may write the EndpointSlice {{ $service }} of the Service {{ $service }} alone
  - expression: variables.endpoints.size() == 0 || variables.isOwn
    message: a candidate of {{ .Values.baton.election }} may lead traffic to its own Pod alone, with a token that is bound to it
  - expression: variables.tokenAfter > 0 && variables.tokenAfter >= variables.tokenBefore
    messageExpression: "'the fencing token of this EndpointSlice must not fall or go: ' + variables.shownBefore + ' -> ' + variables.shownAfter"
  - expression: variables.wasOwn || (variables.isOwn && variables.tokenAfter > variables.tokenBefore)
    message: taking traffic from another Pod needs a higher fencing token
{{- end -}}
