"""Secrets at rest: AES-256 in counter mode under the server's master key, written as hexadecimal."""

from __future__ import annotations

import hashlib
import os
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from palaver.store.errors import StoreError

_NONCE_BYTES: Final = 16


class Vault:
    """Encrypts and decrypts short texts. Each cipher text starts with its own random nonce."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) < 16:
            raise ValueError("master_key: expected at least 16 bytes")
        self._key = hashlib.sha256(b"palaver store" + master_key).digest()

    def seal(self, text: str) -> str:
        """The cipher text of ``text`` in hexadecimal."""
        nonce = os.urandom(_NONCE_BYTES)
        return (nonce + self._apply(nonce, text.encode())).hex()

    def open(self, cipher: str) -> str:
        """The text that was sealed. Raises StoreError if ``cipher`` is none of ours."""
        try:
            sealed = bytes.fromhex(cipher)
            return self._apply(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]).decode()
        except ValueError:
            raise StoreError("a stored secret cannot be read: is this the right master key?") from None

    def _apply(self, nonce: bytes, data: bytes) -> bytes:
        context = Cipher(algorithms.AES(self._key), modes.CTR(nonce)).encryptor()
        return context.update(data) + context.finalize()
