{{- /*
What contradicts itself or the election's rules ends the rendering here, with the sentence that
mends it. Every named template for users begins with this one.
*/}}
{{- define "baton.check" -}}
{{- $values := .Values.baton -}}
{{- if not $values -}}
  {{- fail "baton: there are no values under `baton`: give the dependency baton-lib the line `alias: baton` in Chart.yaml" -}}
{{- end -}}
{{- if not $values.election -}}
  {{- fail "baton.election is empty: name the Lease to elect through, as in --set baton.election=worker" -}}
{{- end -}}
{{- if and $values.socket (hasKey $values.settings "local-address") -}}
  {{- fail "baton.socket and baton.settings.local-address both say where the local API listens: remove one of them" -}}
{{- end -}}
{{- if and $values.appProcess $values.settings.holders -}}
  {{- fail "baton.appProcess speaks for the whole Pod, and each of baton.settings.holders for itself: remove one of them" -}}
{{- end -}}
{{- if not $values.probePort -}}
  {{- if not $values.socket -}}
    {{- fail "baton.probePort is 0, and without a port the probes need a socket: set baton.socket=true, or a port of its own for each workload with hostNetwork" -}}
  {{- end -}}
  {{- if $values.podMonitor.enabled -}}
    {{- fail "baton.podMonitor scrapes baton.probePort, which is 0: set a port, or baton.podMonitor.enabled=false" -}}
  {{- end -}}
{{- end -}}
{{- if and (not $values.extras) (eq (toString (index $values.settings "events")) "true") -}}
  {{- fail "baton.settings.events needs the right to create Events: set baton.extras=true, or remove the setting" -}}
{{- end -}}
{{- include "baton.checkTimings" $values.settings -}}
{{- if ne $values.leaderService.by "none" -}}
  {{- include "baton.checkLeaderService" . -}}
{{- end -}}
{{- if eq $values.readiness "leader" -}}
  {{- include "baton.checkReadinessGating" $values -}}
{{- end -}}
{{- end -}}

{{- define "baton.checkLeaderService" -}}
{{- $values := .Values.baton -}}
{{- $service := $values.leaderService -}}
{{- $name := include "baton.leaderServiceName" $values -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$" $name) -}}
  {{- printf "baton.leaderService.name is empty, and the election's name %s is none for a Service: set it" $name | fail -}}
{{- end -}}
{{- if not $service.ports -}}
  {{- fail "baton.leaderService.ports is empty: name the Service's ports, as in [{name: http, port: 80, targetPort: 8080}]" -}}
{{- end -}}
{{- range $service.ports -}}
  {{- if and (eq $service.by "endpointslice") (kindIs "string" .targetPort) -}}
    {{- printf "baton.leaderService.ports: the targetPort %s is a name, and an EndpointSlice has numbers: write the container's port" .targetPort | fail -}}
  {{- end -}}
{{- end -}}
{{- if and (eq $service.by "label") (gt (len $values.election) 63) -}}
  {{- fail "baton.leaderService.by=label makes the election's name the value of a label, at most 63 characters: choose a shorter name, or by=endpointslice" -}}
{{- end -}}
{{- $version := .Capabilities.KubeVersion.Version -}}
{{- if not (semverCompare ">=1.30.0-0" $version) -}}
  {{- printf "baton.leaderService.by=%s needs Kubernetes 1.30 or newer for the policy that narrows its rights, and this is %s: set it to none" $service.by $version | fail -}}
{{- end -}}
{{- end -}}

{{- /* Rules R3 and R15, over the profile's timings with the settings on top. */}}
{{- define "baton.checkTimings" -}}
{{- $timings := include "baton.timings" . | fromYaml -}}
{{- $us := dict -}}
{{- range $key := list "lease-duration" "renew-deadline" "renew-period" "request-timeout" "retry-min" "retry-max" -}}
  {{- $length := include "baton.microseconds" (index $timings $key) | int64 -}}
  {{- if or (le $length 0) (gt $length 3600000000) -}}
    {{- printf "baton.settings.%s is %s: every timing is above zero and at most 1h" $key (index $timings $key) | fail -}}
  {{- end -}}
  {{- $_ := set $us $key $length -}}
{{- end -}}
{{- $duration := index $us "lease-duration" -}}
{{- $deadline := index $us "renew-deadline" -}}
{{- if mod $duration 1000000 -}}
  {{- printf "baton.settings.lease-duration is %s: the Lease stores whole seconds, so set it to %ds" (index $timings "lease-duration") (add (div $duration 1000000) 1) | fail -}}
{{- end -}}
{{- if gt (mul 5 $deadline) (mul 4 $duration) -}}
  {{- $least := div (add (mul 5 $deadline) 3999999) 4000000 -}}
  {{- printf "baton.settings.renew-deadline is %s, above 0.8 x the lease-duration of %s, and two Pods could lead at once: set renew-deadline to at most %dms, or lease-duration to at least %ds" (index $timings "renew-deadline") (index $timings "lease-duration") (div (mul 4 $duration) 5000) $least | fail -}}
{{- end -}}
{{- if gt (index $us "retry-min") (index $us "retry-max") -}}
  {{- printf "baton.settings.retry-min is %s, above retry-max, %s: swap them" (index $timings "retry-min") (index $timings "retry-max") | fail -}}
{{- end -}}
{{- $attempts := add (index $us "renew-period") (mul 3 (index $us "request-timeout")) (mul 2 (index $us "retry-max")) -}}
{{- if ge $attempts $deadline -}}
  {{- printf "baton.settings: renew-period + 3 x request-timeout + 2 x retry-max is %dms, not below the renew-deadline of %s, and three attempts to renew must fit: shorten renew-period or request-timeout" (div $attempts 1000) (index $timings "renew-deadline") | fail -}}
{{- end -}}
{{- end -}}

{{- define "baton.timings" -}}
{{- $profiles := include "baton.profiles" . | fromYaml -}}
{{- mergeOverwrite (dict) (index $profiles (default "balanced" .profile)) . | toYaml -}}
{{- end -}}

{{- define "baton.profiles" -}}
aggressive: {lease-duration: 3s, renew-deadline: 2400ms, renew-period: 1s, request-timeout: 400ms, retry-min: 50ms, retry-max: 90ms}
balanced: {lease-duration: 15s, renew-deadline: 12s, renew-period: 5s, request-timeout: 2s, retry-min: 250ms, retry-max: 450ms}
conservative: {lease-duration: 45s, renew-deadline: 36s, renew-period: 10s, request-timeout: 5s, retry-min: 500ms, retry-max: 5s}
{{- end -}}

{{- define "baton.microseconds" -}}
{{- $units := dict "h" 3600000000 "m" 60000000 "s" 1000000 "ms" 1000 "us" 1 -}}
{{- $total := 0 -}}
{{- range regexFindAll "[0-9.]+[a-z]+" . -1 -}}
  {{- $unit := regexFind "[a-z]+$" . -}}
  {{- $total = addf $total (mulf (trimSuffix $unit .) (index $units $unit)) -}}
{{- end -}}
{{- int64 $total -}}
{{- end -}}

{{- /*
Where only the leader is Ready, Kubernetes replaces Pods only if it may do without all of them: it
waits for each new one to become Ready, and that one waits for the old leader to go.
*/}}
{{- define "baton.checkReadinessGating" -}}
{{- if eq .workload "StatefulSet" -}}
  {{- fail "baton.readiness=leader gets stuck in a StatefulSet, which waits for every Pod to become Ready while only the leader does: use a Deployment, or baton.readiness=ready" -}}
{{- end -}}
{{- $strategy := include "baton.effectiveStrategy" . | fromYaml -}}
{{- $replicas := int .replicas -}}
{{- $mend := ternary "set type Recreate, or RollingUpdate with maxUnavailable 1 and maxSurge 0" "set type RollingUpdate with maxUnavailable 100%" (eq $replicas 1) -}}
{{- $rolling := default dict $strategy.rollingUpdate -}}
{{- $unavailable := toString (default "25%" $rolling.maxUnavailable) -}}
{{- if hasSuffix "%" $unavailable -}}
  {{- $unavailable = div (mul (trimSuffix "%" $unavailable | int) $replicas) 100 -}}
{{- end -}}
{{- $isRecreate := eq (default "RollingUpdate" $strategy.type) "Recreate" -}}
{{- if ternary (gt $replicas 1) (lt (int $unavailable) $replicas) $isRecreate -}}
  {{- printf "baton.strategy gets stuck with baton.readiness=leader and %d replicas, since only the leader is ever Ready: %s, or leave baton.strategy empty" $replicas $mend | fail -}}
{{- end -}}
{{- end -}}

{{- define "baton.effectiveStrategy" -}}
{{- if .strategy -}}
{{ toYaml .strategy }}
{{- else if ne .readiness "leader" -}}
{}
{{- else if eq (int .replicas) 1 -}}
type: RollingUpdate
rollingUpdate: {maxUnavailable: 1, maxSurge: 0}
{{- else -}}
type: RollingUpdate
rollingUpdate: {maxUnavailable: 100%}
{{- end -}}
{{- end -}}
