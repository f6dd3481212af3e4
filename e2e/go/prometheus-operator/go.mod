// The definitions of PodMonitor and PrometheusRule, which are files of this module.
module baton/tests/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
