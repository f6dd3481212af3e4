"""A CA, and what it signs, by openssl."""
import subprocess

from servers import make_folder

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Authority:
    def __init__(self):
        self.folder = make_folder("ca")
        self.certificate = self.folder / "ca"
        self.openssl("req", "-x509", *NEW_KEY, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca")

    def issue(self, name, days=1):
        """The certificate for a name as openssl writes it, and its key. Of -1 days, it ran out yesterday."""
        self.openssl("req", *NEW_KEY, "-subj", "/CN=service", "-addext", f"subjectAltName={name}",
                     "-keyout", "key", "-out", "request")
        self.openssl("x509", "-req", "-in", "request", "-copy_extensions", "copy", "-CA", "ca",
                     "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days), "-out", "issued")
        return self.folder / "issued", self.folder / "key"

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)
