"""The server's own certificate authority, made at start and forgotten at the end."""

import ipaddress
import ssl
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class CertificateKind(StrEnum):
    """What is to be wrong with the server's certificate."""

    VALID = "valid"
    #: signed by nobody but itself
    SELF_SIGNED = "self-signed"
    #: names other.example
    WRONG_HOST = "wrong-host"
    #: ended yesterday
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Identity:
    """PEM texts. `ca` is what a client must trust."""

    ca: str
    certificate: str
    key: str
    #: SHA-256 of the certificate in hex: what a client may pin
    fingerprint: str

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            # The ssl module reads keys from files only; this one is gone in a moment.
            chain = Path(folder, "chain.pem")
            chain.write_text(self.key + self.certificate)
            context.load_cert_chain(chain)
        return context


def make_identity(kind: CertificateKind, hostname: str, now: datetime) -> Identity:
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("Mailwright development CA")
    ca = (
        _builder(ca_name, ca_name, ca_key, now - timedelta(days=2), now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    ends = now - timedelta(days=1) if kind is CertificateKind.EXPIRED else now + timedelta(days=30)
    own = kind is CertificateKind.SELF_SIGNED
    subject = _name("Mailwright development server")
    signer = key if own else ca_key
    certificate = (
        _builder(subject, subject if own else ca_name, key, now - timedelta(days=2), ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_alternative_names(kind, hostname)), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return Identity(
        ca=_pem(ca),
        certificate=_pem(certificate),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(kind: CertificateKind, hostname: str) -> list[x509.GeneralName]:
    if kind is CertificateKind.WRONG_HOST:
        return [x509.DNSName("other.example")]
    names = dict.fromkeys(("localhost", hostname))
    addresses = ("127.0.0.1", "::1")
    return [
        *(x509.DNSName(name) for name in names),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
    ]


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
