"""Self-signed TLS certificates for tests, created by the openssl command."""

import shutil
import subprocess
from pathlib import Path

import pytest


def make_certificates(folder: Path) -> Path:
    """Create NAME.pem and NAME.key for `service`, `client` and `other` in a folder, each signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make certificates")
    arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    for name in ("service", "client", "other"):
        files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
        names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        subprocess.run([openssl, *arguments.split(), *files, *names], check=True, capture_output=True)
    return folder
