// Two self-signed certificates and their keys, for tests that load such files but open no
// connection. They are worth nothing elsewhere.
#pragma once

namespace baton::kube {

inline constexpr const char* kFirstCertificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBeTCCAR+gAwIBAgIUIsmoo2+RzKt3CewbKIe3+PkD+KIwCgYIKoZIzj0EAwIw\n"
    "ETEPMA0GA1UEAwwGdGVzdCBhMCAXDTI2MTEyMTAzNDEyNFoYDzIxMjYxMDI4MDM0\n"
    "MTI0WjARMQ8wDQYDVQQDDAZ0ZXN0IGEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n"
    "AAQd/Dkw2MJzHHaDliPrkXzbXnBaUQTz/wctILKMPXnQ6P6P4acRb6C0ltS+SiED\n"
    "LOLSPrHgdlopOpNW4aHp40X1o1MwUTAdBgNVHQ4EFgQUldedEYUUhqKAmqC0RXYw\n"
    "T32zGGIwHwYDVR0jBBgwFoAUldedEYUUhqKAmqC0RXYwT32zGGIwDwYDVR0TAQH/\n"
    "BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiADlAq6w3icTYz/qvwABKhd6+3ztBxR\n"
    "pfEMQkSkQR7JfgIhAK6AiBW0pRmQAiWxmdfzaQ0QtbHMftGcqU7vw5C9dDKM\n"
    "-----END CERTIFICATE-----\n";
inline constexpr const char* kFirstKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFXM0cBAvo3shZbbD\n"
    "VRbEruFGSXRabTX186JOgM5B1ZWhRANCAAQd/Dkw2MJzHHaDliPrkXzbXnBaUQTz\n"
    "/wctILKMPXnQ6P6P4acRb6C0ltS+SiEDLOLSPrHgdlopOpNW4aHp40X1\n"
    "-----END PRIVATE KEY-----\n";
inline constexpr const char* kSecondCertificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBeTCCAR+gAwIBAgIUOolKg0P3GVido0tSqi8OU5pIDsIwCgYIKoZIzj0EAwIw\n"
    "ETEPMA0GA1UEAwwGdGVzdCBiMCAXDTI2MTEyMTAzNDEyNFoYDzIxMjYxMDI4MDM0\n"
    "MTI0WjARMQ8wDQYDVQQDDAZ0ZXN0IGIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n"
    "AAS7xfqtc4Ox/GjDvFnEKej1GtbH9boaAlY+qggzDFcb5m/9UwCk5SKvnKVOXcoZ\n"
    "IJvvuTwAJqEjuQZCr5FCJkBvo1MwUTAdBgNVHQ4EFgQU+vlMJ4+BmIPA++forUT3\n"
    "3VqxDucwHwYDVR0jBBgwFoAU+vlMJ4+BmIPA++forUT33VqxDucwDwYDVR0TAQH/\n"
    "BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAYTAn9/gwdeq0Y2LS5rMRDv1GfQWIV\n"
    "LbNrk0QGWvcgSQIhAOsmPZMUrFtJshbnoPaznE+Cg7rbqJCFfEVYPuP+1JHz\n"
    "-----END CERTIFICATE-----\n";
inline constexpr const char* kSecondKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgziZkJIJEmtf1qArJ\n"
    "avcNtf27SqJOOTJnI3jjsHt3WgyhRANCAAS7xfqtc4Ox/GjDvFnEKej1GtbH9boa\n"
    "AlY+qggzDFcb5m/9UwCk5SKvnKVOXcoZIJvvuTwAJqEjuQZCr5FCJkBv\n"
    "-----END PRIVATE KEY-----\n";

}  // namespace baton::kube
