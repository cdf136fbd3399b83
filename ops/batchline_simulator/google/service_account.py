"""A service account that exists nowhere, for SDKs that insist on credentials.

Its key is made when the file is written and signs nothing of value; its
`token_uri` leads to the simulator, so `GOOGLE_APPLICATION_CREDENTIALS` can
name the file and code that runs in production runs unchanged.
"""

import json
from pathlib import Path

EMAIL = "batchline@simulated.iam.gserviceaccount.com"


def write_service_account(path: Path, url: str, *, project: str = "simulated-project") -> Path:
    """Write the key file of a made-up service account.

    Args:
        path: Where to; an existing file is overwritten. Readable by its owner only.
        url: Where the simulator answers, without a path.
        project: The project that the SDKs take from the file.

    Returns:
        `path`.

    Raises:
        ModuleNotFoundError: `cryptography`, which `google-auth` brings, is not installed.
    """
    # Only here: nothing else has a use for keys.
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": "0" * 40,
        "private_key": pem.decode(),
        "client_email": EMAIL,
        "client_id": "0" * 21,
        "auth_uri": f"{url}/auth",
        "token_uri": f"{url}/token",
        "universe_domain": "googleapis.com",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(account, indent=2))
    return path
