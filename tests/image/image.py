"""An image out of a docker archive, and containers of it by runc, as a kubelet would start them."""
import errno
import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = Path(os.environ.get("BATON_IMAGE", ROOT / "build/image/baton.tar"))
SECCOMP = Path("/usr/share/containers/seccomp.json")  # podman's and buildah's
# What docker and containerd, stricter than that, allow only with CAP_SYS_ADMIN.
ADMIN_CALLS = {"bpf", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "mount",
               "mount_setattr", "move_mount", "open_tree", "perf_event_open", "pivot_root", "quotactl",
               "setdomainname", "sethostname", "setns", "syslog", "umount", "umount2", "unshare",
               "io_uring_enter", "io_uring_register", "io_uring_setup"}


class Image:
    def __init__(self, archive, folder):
        """Unpacks the layers of `archive` into `folder`."""
        data = Path(archive).read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        with tarfile.open(fileobj=io.BytesIO(data)) as whole:
            manifest = json.load(whole.extractfile("manifest.json"))[0]
            self.tags = sorted({tag.split("/")[-1] for tag in manifest["RepoTags"]})
            self.config = json.load(whole.extractfile(manifest["Config"]))
            self.layers = [whole.extractfile(name).read() for name in manifest["Layers"]]
        self.root = folder
        for layer in self.layers:
            subprocess.run(["tar", "-xpf", "-", "-C", folder], input=layer, check=True)
        self.files = sorted(path for path in folder.rglob("*") if not path.is_dir())

    def layer_sizes(self):
        """(bytes unpacked, bytes as gzip, digest) of each layer."""
        return [(len(layer), len(gzip.compress(layer)), hashlib.sha256(layer).hexdigest())
                for layer in self.layers]

    def unpacked_bytes(self):
        return sum(path.lstat().st_size for path in self.files)

    def packages(self):
        """dpkg's entry of every package that the image was made from."""
        folder = self.root / "var/lib/dpkg/status.d"
        return [dict(line.split(": ", 1) for line in path.read_text().splitlines()
                     if ": " in line and not line.startswith(" "))
                for path in sorted(folder.iterdir())]


def default_seccomp():
    """The engines' default profiles, the strictest of them, for a process without capabilities."""
    profile = json.loads(SECCOMP.read_text())
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    architecture = {"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}[machine]
    rules = []
    for rule in profile["syscalls"]:
        wanted = rule["includes"].get("arches", [machine])
        if rule["includes"].get("caps") or machine not in wanted:
            continue
        names = [name for name in rule["names"] if name not in ADMIN_CALLS]
        kept = {"names": names, "action": rule["action"], "args": rule["args"] or []}
        if "errnoRet" in rule:
            kept["errnoRet"] = rule["errnoRet"]
        if names:
            rules.append(kept)
    rules.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS})
    rules.append({"names": sorted(ADMIN_CALLS - {"clone3"}), "action": "SCMP_ACT_ERRNO",
                  "errnoRet": errno.EPERM})
    return {"defaultAction": profile["defaultAction"], "architectures": [architecture],
            "defaultErrnoRet": profile["defaultErrnoRet"], "syscalls": rules}


class Runtime:
    """Containers on the host's network, with what Pod Security *restricted* asks for."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp())
        self.count = 0

    def close(self):
        shutil.rmtree(self.folder)

    def start(self, root, *command, uid=65532, gid=65532, mounts=(), variables=None, **options):
        """A Popen of `command` on the read-only `root`; `mounts` are (folder, where, writable)."""
        self.count += 1
        bundle = self.folder / str(self.count)
        bundle.mkdir()
        binds = [{"destination": where, "source": str(folder), "type": "bind",
                  "options": ["rbind", "rw" if writable else "ro"]}
                 for folder, where, writable in mounts]
        config = {
            "ociVersion": "1.0.2",
            "root": {"path": str(root), "readonly": True},
            "process": {
                "user": {"uid": uid, "gid": gid}, "args": [str(word) for word in command], "cwd": "/",
                "env": [f"{key}={value}" for key, value in (variables or {}).items()],
                "capabilities": {kind: [] for kind in ("bounding", "effective", "permitted")},
                "noNewPrivileges": True},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}] + binds,
            "linux": {"namespaces": [{"type": each} for each in ("mount", "pid", "ipc", "uts")],
                      "seccomp": default_seccomp()}}
        (bundle / "config.json").write_text(json.dumps(config))
        name = f"baton-image-{os.getpid()}-{self.count}"
        return subprocess.Popen(["runc", "--root", self.folder / "state", "run", "--bundle", bundle, name],
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def run(self, root, *command, **options):
        """(exit code, stdout, stderr)"""
        process = self.start(root, *command, **options)
        stdout, stderr = process.communicate(timeout=60)
        return process.returncode, stdout, stderr
