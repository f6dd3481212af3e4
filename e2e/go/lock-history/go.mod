// Judges the history of an election with porcupine, a linearizability checker.
module baton/e2e/lock-history

go 1.26.0

require github.com/anishathalye/porcupine v1.3.1
