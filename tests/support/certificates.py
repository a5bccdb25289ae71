"""Creates self-signed TLS certificates for tests with the openssl command."""

import shutil
import subprocess
from pathlib import Path

import pytest


def make_certificates(folder: Path) -> Path:
    """Create self-signed certificates NAME.pem and keys NAME.key in a folder, for `service`, `client` and `other`."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make certificates")
    arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    for name in ("service", "client", "other"):
        files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
        names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        subprocess.run([openssl, *arguments.split(), *files, *names], check=True, capture_output=True)
    return folder
