#!/bin/sh
# usage: every.sh SECONDS COMMAND…
# Runs COMMAND at each full SECONDS of the wall clock, so that a hand-over between two runs adds none.
# A run that fails ends it: `baton exec`, which runs it, then resigns, and another Pod goes on.
set -eu
period=$1
shift
while :; do
  sleep $((period - $(date +%s) % period))
  "$@"
done
