"""TLS contexts, made once, and what is checked of a peer beyond what the library checks.

Trust, host name and a pinned certificate are three questions with three switches (checklist 20 and 21). Python's `ssl`
ties two of them together, so the combinations that it cannot express are checked here after the handshake, before
anything is said to the server.
"""

import hashlib
import ipaddress
import ssl
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from mailwright.errors import InvalidAccount, TlsFailed
from mailwright.model.account import Outgoing
from mailwright.model.security import Security
from mailwright.reply import Phase

# OpenSSL's names for bytes that are no TLS record, and for a version below TLS 1.2.
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"})
_TOO_OLD = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "VERSION_TOO_LOW"})

# What reading a certificate raises, some of it only when the part in question is looked at. The certificate is the
# server's: it may be anything.
_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What was agreed on, for the check report."""

    protocol: str
    cipher: str
    subject: str
    issuer: str
    expires: str
    #: SHA-256 of the certificate: what `pinned_certificate` takes
    fingerprint: str
    #: somebody we trust says that this certificate belongs to the host
    verified: bool


class TlsContexts:
    """Contexts by what they check. Loading the system's authorities takes milliseconds, a connection should not."""

    def __init__(self) -> None:
        self._made: dict[tuple[bool, bool, str], ssl.SSLContext] = {}

    def for_server(self, outgoing: Outgoing) -> ssl.SSLContext:
        trust = outgoing.verify_trust and not outgoing.pinned_certificate
        key = (trust, outgoing.verify_hostname, outgoing.ca_certificates)
        if key not in self._made:
            self._made[key] = _context(*key)
        return self._made[key]


def _context(trust: bool, hostname: bool, authorities: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authorities:
        try:
            context.load_verify_locations(cadata=authorities)
        except (ssl.SSLError, TypeError, ValueError):  # TypeError: text that is not ASCII
            hint = "PEM text: -----BEGIN CERTIFICATE----- …"
            raise InvalidAccount("no certificate can be read", field="ca_certificates", hint=hint) from None
    context.check_hostname = trust and hostname
    context.verify_mode = ssl.CERT_REQUIRED if trust else ssl.CERT_NONE
    return context


def check_peer(connection: ssl.SSLObject | ssl.SSLSocket, outgoing: Outgoing) -> TlsFacts:
    """What the context left unchecked. Raises TlsFailed; returns what was agreed on."""
    der = connection.getpeercert(binary_form=True)
    if der is None:
        raise TlsFailed("the server showed no certificate", phase=Phase.TLS)
    fingerprint = hashlib.sha256(der).hexdigest()
    if outgoing.pinned_certificate and fingerprint != outgoing.pinned_certificate:
        hint = "if the server has a new certificate and you trust it, pin this one"
        raise TlsFailed(f"the certificate is not the pinned one but {fingerprint}", phase=Phase.TLS, hint=hint)
    try:
        return _facts(connection, x509.load_der_x509_certificate(der), fingerprint, outgoing)
    except _UNREADABLE as error:
        raise TlsFailed("the server's certificate cannot be read", phase=Phase.TLS) from error


def _facts(
    connection: ssl.SSLObject | ssl.SSLSocket, certificate: x509.Certificate, fingerprint: str, outgoing: Outgoing
) -> TlsFacts:
    if outgoing.verify_hostname and not outgoing.pinned_certificate and not outgoing.verify_trust:
        _check_host(certificate, outgoing.host)
    cipher = connection.cipher()
    return TlsFacts(
        protocol=connection.version() or "",
        cipher=cipher[0] if cipher else "",
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        expires=certificate.not_valid_after_utc.isoformat(),
        fingerprint=fingerprint,
        verified=bool(outgoing.pinned_certificate) or (outgoing.verify_trust and outgoing.verify_hostname),
    )


def _check_host(certificate: x509.Certificate, host: str) -> None:
    """RFC 9525 section 6: subject alternative names only, a wildcard for the whole left-most label."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise TlsFailed("the certificate names no host", phase=Phase.TLS) from None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        wanted = host.lower().rstrip(".")
        patterns = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
        matches = any(_names(pattern, wanted) for pattern in patterns)
    else:
        matches = address in names.get_values_for_type(x509.IPAddress)
    if not matches:
        raise TlsFailed(f"the certificate is not for {host}", phase=Phase.TLS, hint="use the name that it was made for")


def _names(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return "." in host and host.partition(".")[2] == pattern[2:]
    return pattern == host


def explain(error: BaseException, outgoing: Outgoing) -> TlsFailed:
    """What a failed handshake most likely means, in words that say what to change."""
    if isinstance(error, TlsFailed):
        error.server = outgoing.host
        return error
    message, hint = _explained(error, outgoing)
    return TlsFailed(message, phase=Phase.TLS, server=outgoing.host, hint=hint)


def _explained(error: BaseException, outgoing: Outgoing) -> tuple[str, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message}", _certificate_hint(error)
    implicit = outgoing.security is Security.IMPLICIT
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        if reason in _NOT_TLS:
            hint = f"port {outgoing.port} seems to begin in clear text: set security to starttls" if implicit else ""
            return "the server does not answer in TLS", hint
        if reason in _TOO_OLD:
            return "the server speaks no TLS that is accepted here", "its owner has to switch on TLS 1.2 or newer"
        return f"the handshake failed: {reason.replace('_', ' ').lower() or 'no reason given'}", ""
    hint = f"does port {outgoing.port} speak TLS? 465 begins in TLS, 587 and 25 upgrade by STARTTLS" if implicit else ""
    return "the server closed the connection during the handshake", hint


def _certificate_hint(error: ssl.SSLCertVerificationError) -> str:
    # The numbers are OpenSSL's X509_V_ERR_*.
    match error.verify_code:
        case 10:
            return "the certificate has expired; its owner has to renew it"
        case 18 | 19:
            return "self-signed: give its authority in ca_certificates, pin it, or set verify_trust to false"
        case 20 | 21:
            return "its authority is not known here: give it in ca_certificates"
        case 62 | 64:
            return "it was made for another name: use that name as host, or set verify_hostname to false"
        case _:
            return "give the authority in ca_certificates, or pin the certificate"
