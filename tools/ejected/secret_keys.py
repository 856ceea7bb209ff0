"""`hash_secret` and `verify_secret`: passwords as salted scrypt keys (RFC 7914)."""

from __future__ import annotations

import hashlib

from guest.helpers import Secrets

#: RFC 7914's own figures for logins, and those of the service: its hashes are verified here.
_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}


def _derive_key(secret: str, salt: str) -> str:
    """Empty for what is too long to be a password."""
    if len(secret) > 1024 or len(salt) > 128:
        return ""
    return hashlib.scrypt(secret.encode(), salt=salt.encode(), **_SCRYPT).hex()


_secrets = Secrets(_derive_key)
hash_secret = _secrets.hash_secret
verify_secret = _secrets.verify_secret
