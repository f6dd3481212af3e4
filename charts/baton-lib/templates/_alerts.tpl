{{- /* The alerts of one election, for `rules:`. Thresholds come from the series, `for` from the settings. */}}
{{- define "baton.rules" -}}
{{- range include "baton.alerts" . | fromYamlArray }}
- alert: {{ .alert }}
  expr: >-
    {{- .expr | nindent 4 }}
  {{- with .for }}
  for: {{ . }}
  {{- end }}
  labels: {severity: {{ .severity }}, name: {{ $.Values.baton.election | quote }}, lease_namespace: {{ $.Release.Namespace | quote }}}
  annotations:
    summary: {{ .summary | quote }}
    description: {{ .description | quote }}
    runbook_url: docs/runbooks/{{ .alert }}.md
{{- end }}
{{- end -}}

{{- define "baton.alerts" -}}
{{- $name := .Values.baton.election -}}
{{- $election := printf "%s/%s" .Release.Namespace $name -}}
{{- $of := printf `name="%s", lease_namespace="%s"` $name .Release.Namespace -}}
{{- $timings := include "baton.timings" .Values.baton.settings | fromYaml -}}
{{- $lease := include "baton.microseconds" (index $timings "lease-duration") | int64 -}}
{{- $long := printf "%ds" (div (mul 2 $lease) 1000000) -}}
{{- /* The histogram tells nothing apart above 8.192 s. */ -}}
{{- $slow := printf "clamp_max(min(baton_lease_duration_seconds{%s}) / 3, 8)" $of -}}
{{- $slowing := printf "min(baton_request_timeout_seconds{%s}) / 4" $of -}}
{{- $p99 := printf "histogram_quantile(0.99, sum by (le) (rate(baton_renew_latency_seconds_bucket{%s}%%s)))" $of -}}
{{- $gateway := printf `increase(baton_fence_requests_total{scope="%s", result="%%s"}[5m])` $election -}}
- alert: BatonNoLeader
  severity: critical
  expr: sum(baton_is_leader{ {{- $of -}} }) == 0
  for: {{ $long }}
  summary: Nobody leads {{ $name }}
  description: Candidates of {{ $election }} are scraped, and for {{ $long }}, twice the lease duration, none has led.
- alert: BatonNoCandidates
  severity: critical
  expr: absent(baton_state{ {{- $of }}, state!~"starting|degraded|blocked|stopped"} == 1)
  for: {{ $long }}
  summary: No candidate of {{ $name }} could lead
  description: For {{ $long }} no candidate of {{ $election }} was scraped, or each was starting, degraded, blocked or stopped.
- alert: BatonTwoLeaders
  severity: critical
  expr: sum(baton_is_leader{ {{- $of -}} }) > 1
  for: {{ $long }}
  summary: Two candidates of {{ $name }} say that they lead, in scrape after scrape
  description: For {{ $long }} more than one candidate of {{ $election }} has led. Only the fencing token keeps their effects apart.
- alert: BatonFlapping
  severity: warning
  expr: changes(max(baton_fencing_token{ {{- $of -}} } > 0)[1h:15s]) > 3
  summary: The leader of {{ $name }} changes again and again
  description: The leadership of {{ $election }} has changed {{ "{{ $value }}" }} times within an hour, more than three.
- alert: BatonRenewalSlow
  severity: warning
  expr: {{ printf $p99 "[30m]" }} > {{ $slow }}
  summary: Renewals of {{ $name }} take so long that a term may end by it
  description: Within 30 minutes one in a hundred renewals of {{ $election }} took {{ "{{ $value | humanizeDuration }}" }} or longer. The limit is a third of the lease duration, at most 8 s.
- alert: BatonRenewalSlowing
  severity: warning
  expr: |-
    {{ printf $p99 "[2h]" }} > {{ $slowing }}
    and {{ printf $p99 "[2h]" }} > 1.5 * {{ printf $p99 "[2h] offset 2h" }}
    and {{ printf $p99 "[2h] offset 2h" }} > 1.5 * {{ printf $p99 "[2h] offset 4h" }}
  summary: Renewals of {{ $name }} have become slower for six hours
  description: The slowest of a hundred renewals of {{ $election }} took half as long again as two hours before, twice in a row, and now {{ "{{ $value | humanizeDuration }}" }}, above a quarter of the request timeout.
- alert: BatonValidityLow
  severity: warning
  expr: |-
    histogram_quantile(0.001, rate(baton_renew_margin_seconds_bucket{ {{- $of -}} }[5m]))
    < baton_renew_deadline_seconds{ {{- $of -}} } / 4
  summary: The leader of {{ $name }} was about to lose its term
  description: A renewal of {{ $election }} was answered with less than a quarter of the renew deadline left, or not in time.
- alert: BatonApiCircuitOpen
  severity: warning
  expr: max without (reason) (baton_api_circuit_open{ {{- $of -}} }) == 1
  for: {{ $long }}
  summary: A candidate of {{ $name }} does not get through to the API server
  description: For {{ $long }}, twice the lease duration, the requests of a candidate of {{ $election }} have failed. It can neither lead nor follow.
- alert: BatonCredentialExpiring
  severity: warning
  expr: |-
    baton_credential_expiry_timestamp_seconds{ {{- $of -}} } - time()
    < clamp_max(baton_credential_lifetime_seconds{ {{- $of -}} } / 10, 604800)
  summary: A credential of {{ $name }} is about to end
  description: A candidate's {{ "{{ $labels.credential }}" }} of {{ $election }} ends in {{ "{{ $value | humanizeDuration }}" }}. Less than a tenth of its lifetime, or a week, is left, and nothing has renewed it.
- alert: BatonTrafficLeadsNowhere
  severity: critical
  expr: |-
    baton_traffic_leads_here{ {{- $of -}} } == 0 and baton_is_leader{ {{- $of -}} } == 1
    unless ignoring (state) baton_state{ {{- $of }}, state="warming"} == 1
  for: {{ $long }}
  summary: The Service of {{ $name }} does not lead to its leader
  description: For {{ $long }} a leader of {{ $election }} has not been able to lead the Service's traffic to itself.
- alert: BatonEventsNotRecorded
  severity: warning
  expr: increase(baton_events_not_recorded_total{ {{- $of -}} }[1h]) > 0
  summary: Kubernetes Events of {{ $name }} are missing
  description: Within an hour {{ "{{ $value | humanize }}" }} Events of a candidate of {{ $election }} could not be recorded. kubectl describe shows less than has happened.
- alert: BatonStaleTokenRefused
  severity: warning
  expr: increase(baton_fencing_rejections_total{ {{- $of -}} }[5m]) > 0
  summary: A resource refused a write of a deposed leader of {{ $name }}
  description: The application beside a candidate of {{ $election }} reported that a resource refused its token, since it had seen a higher one.
- alert: BatonGatewayRefusedStaleToken
  severity: warning
  expr: {{ printf $gateway "stale" }} > 0
  summary: The gateway refused a request of a deposed leader of {{ $name }}
  description: A gateway refused a request with a token of {{ $election }} that is lower than one it has seen.
- alert: BatonGatewayNotRecording
  severity: critical
  expr: {{ printf $gateway "not_recorded" }} > 0
  summary: The gateway cannot record the token of {{ $name }}
  description: A gateway refused a request of a new leader of {{ $election }}, since it could not write its state. Nothing newer gets through.
- alert: BatonHistoryWentBack
  severity: critical
  expr: increase(baton_history_went_back_total{ {{- $of -}} }[1h]) > 0
  summary: "The cluster's store was restored: tokens of {{ $name }} may exist twice"
  description: A candidate of {{ $election }} saw the history of the Lease go back, as after a restore of the store.
- alert: BatonClockRateAnomaly
  severity: warning
  expr: increase(baton_clock_rate_anomalies_total{ {{- $of -}} }[1h]) > 0
  summary: "The clock beside a candidate of {{ $name }} ran at a wrong rate"
  description: The clock of a candidate of {{ $election }} and the API server's differed by more than 10 %. A machine that was paused shows so.
- alert: BatonWatchRestarting
  severity: warning
  expr: increase(baton_watch_restarts_total{ {{- $of -}} }[10m]) > 15
  summary: Watches of {{ $name }} break again and again
  description: Within ten minutes {{ "{{ $value | humanize }}" }} watches of a candidate of {{ $election }} ended, more than 15; by themselves at most ten do.
{{- end -}}
