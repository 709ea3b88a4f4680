"""What the authority answers to enrolment, renewal and confirmation is signed by it: who carries the answer can change nothing of it."""

import base64
import hashlib
import json
import os
from datetime import datetime, timezone

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from fleet import Failure, subject_names


def asked(purpose, about):
    """What is signed by who asks, and named by the answer. `about`: the PKCS#10 request, or the certificate where none travels."""
    challenge = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    return {"purpose": purpose, "challenge": challenge, "about": hashlib.sha256(about).hexdigest()}


def proof(question, nonce=None):
    lines = [f"portcullis {question['purpose']} v2", nonce, question["challenge"], question["about"]]
    return "\n".join(line for line in lines if line is not None).encode()


def verified(told, question, roots, fleet=None):
    """The members of the answer, once its signer is the fleet's authority and it answers this very question."""
    try:
        payload = base64.b64decode(told["payload"], validate=True)
        signature = base64.b64decode(told["signature"], validate=True)
        signer = x509.load_pem_x509_certificate(told["signer"].encode())
        issuer = x509.load_pem_x509_certificate(told["signerIssuer"].encode())
        require_authority(signer, issuer, certificates_in(roots), fleet)
        signer.public_key().verify(signature, b"portcullis answer v1\n" + payload, ec.ECDSA(hashes.SHA256()))
        members = json.loads(payload)
        if any(members[name] != value for name, value in question.items()):
            raise Failure("the answer is to another question; nothing of it was taken")
        return members
    except (KeyError, TypeError, ValueError, AttributeError, InvalidSignature) as error:
        raise Failure(f"the answer is not the authority's own ({type(error).__name__}); nothing of it was taken") from error


def require_authority(signer, issuer, roots, fleet):
    """Root, issuer, signer, each signed by the one before and valid now, and the role of the authority in the signer's URI."""
    if not any(kind == "authority" and fleet in (None, name) for name, kind, _ in subject_names(signer)):
        raise Failure("the answer is not signed by the fleet's authority; nothing of it was taken")
    if is_issuer(signer) or not is_issuer(issuer):
        raise Failure("the signer of the answer is not by an issuer; nothing of it was taken")
    if not signed_by(signer, issuer):
        raise Failure("the signer of the answer is not by the issuer it names; nothing of it was taken")
    now = datetime.now(timezone.utc)
    for certificate in (signer, issuer):
        if not valid_from(certificate) <= now <= valid_until(certificate):
            raise Failure("the signer of the answer is not valid now; nothing of it was taken")
    if not any(is_issuer(root) and signed_by(issuer, root) for root in roots):
        raise Failure("the signer of the answer does not end at one of the fleet's roots; nothing of it was taken")


def signed_by(certificate, issuer):
    if certificate.issuer != issuer.subject:
        return False
    try:
        scheme = ec.ECDSA(certificate.signature_hash_algorithm)
        issuer.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes, scheme)
        return True
    except (AttributeError, TypeError, InvalidSignature):
        return False


def certificates_in(pem):
    end = "-----END CERTIFICATE-----"
    return [x509.load_pem_x509_certificate((block + end).encode()) for block in pem.split(end)[:-1]]


def is_issuer(certificate):
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


# Debian 12 has cryptography 38, where these times are naive; what would be shorter came with versions 39 to 42.
def valid_from(certificate):
    return certificate.not_valid_before.replace(tzinfo=timezone.utc)


def valid_until(certificate):
    return certificate.not_valid_after.replace(tzinfo=timezone.utc)
