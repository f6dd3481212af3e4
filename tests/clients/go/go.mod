module conformance

go 1.21

require baton v0.0.0

replace baton => ../../../clients/go
