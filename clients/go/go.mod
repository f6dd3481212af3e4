module baton

go 1.21
