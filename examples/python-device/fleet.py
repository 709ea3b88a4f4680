"""Requests to servers of the fleet. Nothing is sent before the server is verified: chain, host name, role, TLS 1.3."""

import http.client
import json
import os
import re
import ssl
from urllib.parse import urlsplit

from cryptography import x509

ANSWER_BYTES_MAX = 1024 * 1024
TIMEOUT_SECONDS = 30
SUBJECT_URI = re.compile(r"spiffe://([a-z0-9][a-z0-9._-]{0,62})/([a-z]+)/([a-z0-9][a-z0-9._-]{0,62})")


class Failure(Exception):
    """Something went wrong; the words say what."""


class Unreachable(Failure):
    """The server did not answer, or is not one of the fleet; the same request may go to another, or again later."""


class Refused(Failure):
    """The server said no: RFC 9457, with a reason of docs/reference/reason-codes.md or errors.md."""

    def __init__(self, status, problem):
        words = problem.get("detail") or problem.get("title") or "no reason was given"
        super().__init__(f"refused: {problem.get('reason')} ({words})")
        self.status = status
        self.reason = problem.get("reason")
        self.line = problem.get("line")


def subject_names(certificate):
    """The (fleet, kind, subject) triples that a certificate's URIs speak of."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    found = (SUBJECT_URI.fullmatch(uri) for uri in names.get_values_for_type(x509.UniformResourceIdentifier))
    return [match.groups() for match in found if match]


class VerifiedConnection(http.client.HTTPSConnection):
    """The role is checked right after the handshake and before a byte of the request: a gate can not pose as the authority."""

    def __init__(self, host, port, context, roles, fleet):
        super().__init__(host, port, timeout=TIMEOUT_SECONDS, context=context)
        self._roles = roles
        self._fleet = fleet

    def connect(self):
        super().connect()
        leaf = x509.load_der_x509_certificate(self.sock.getpeercert(binary_form=True))
        for fleet, kind, _ in subject_names(leaf):
            if kind in self._roles and self._fleet in (None, fleet):
                return
        self.close()
        raise Unreachable(f'"{self.host}" is not the fleet\'s {" or ".join(self._roles)}; nothing was sent')


class Link:
    """One kept-alive connection to one server."""

    def __init__(self, url, roots, roles, fleet=None, credential=None):
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise Failure(f'"{url}" is not an https address; plaintext is never spoken')
        context = context_for(roots, credential)
        self._name = parts.netloc
        self._connection = VerifiedConnection(parts.hostname, parts.port or 443, context, roles, fleet)

    def post(self, path, body, content_type="application/json"):
        """The status and the JSON object that was answered; raises Refused for every status but 200 to 202."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self._connection.request("POST", path, data, {"content-type": content_type})
            answer = self._connection.getresponse()
            content = answer.read(ANSWER_BYTES_MAX + 1)
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(f'"{self._name}" could not be verified: {error.verify_message}; nothing was sent') from error
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unreachable(f'"{self._name}" can not be reached: {error}') from error
        value = json_object(content)
        if answer.status in (200, 201, 202):
            if value is None:
                raise Unreachable(f'"{self._name}" answered {answer.status} with something that is not a JSON object')
            return answer.status, value
        raise Refused(answer.status, value or {})

    def close(self):
        self._connection.close()


def context_for(roots, credential):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # demands a chain and the host name, and trusts nobody yet
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=roots)
    if credential:
        # The ssl module takes a key from a file alone: one in memory, that no other process can open by a name.
        pair = os.memfd_create("pair")
        try:
            os.write(pair, (credential["key"] + credential["certificate"] + credential["issuer"]).encode())
            context.load_cert_chain(f"/proc/self/fd/{pair}")
        finally:
            os.close(pair)
    return context


def json_object(content):
    if len(content) > ANSWER_BYTES_MAX:
        return None
    try:
        value = json.loads(content)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
