"""The device's credential: one file that holds key, certificate and trust, so that they never disagree. The key never travels.

The file is the one that the SDK keeps (credential.json): either can go on with what the other began.
"""

import base64
import json
import os
import ssl
from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

import answer
from fleet import Failure, Link, subject_names

# Who takes enrolments: the authority, or a desk that carries them to it.
ENROLLERS = ("authority", "desk")
TEXTS = ("fleet", "subject", "kind", "certificate", "issuer", "roots", "renewAfter", "notAfter", "authority", "enrolment")


def read(directory):
    file = os.path.join(directory, "credential.json")
    if not os.path.exists(file):
        raise Failure(f'there is no credential "{file}"; enrol first')
    with open(file, encoding="utf-8") as text:
        return json.load(text)


def enrol(directory, token_text):
    if os.path.exists(os.path.join(directory, "credential.json")):
        raise Failure(f'"{directory}" holds a credential already; enrol into another directory')
    token = parse_token(token_text)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    key = pending_key(directory)
    roots = "".join(pem(root) for root in token["roots"])
    request = request_for(key, token["subject"])
    # The secret stays here: it is the seed of a key that signs.
    proof = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(token["secret"] + "="))
    asked = answer.asked("enrolment", request)
    public_half = proof.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    body = {
        "proofKey": base64.urlsafe_b64encode(public_half).decode().rstrip("="),
        "challenge": asked["challenge"],
        "request": base64.b64encode(request).decode(),
        "signature": base64.b64encode(proof.sign(answer.proof(asked))).decode(),
    }
    link = Link(token["url"], roots, ENROLLERS)
    try:
        _, told = link.post("/v1/enrolments", body)
    finally:
        link.close()
    return adopt(directory, own(answer.verified(told, asked, roots), key, token["subject"]))


def renew(directory, credential):
    """A new pair, signed for by the old key and written before it is confirmed: a crash anywhere leaves a working one."""
    link = Link(credential["enrolment"], credential["roots"], ENROLLERS, credential["fleet"])
    try:
        if not credential.get("unconfirmed"):
            credential = renewed(directory, credential, link)
        ask(link, credential, "confirmation", "/v1/renewals/confirmation")
    finally:
        link.close()
    return adopt(directory, {name: value for name, value in credential.items() if name != "unconfirmed"})


def renewed(directory, credential, link):
    key = pending_key(directory)
    told = ask(link, credential, "renewal", "/v1/renewals", request_for(key, credential["subject"]))
    return adopt(directory, {**own(told, key, credential["subject"]), "unconfirmed": True})


def ask(link, credential, purpose, path, request=None):
    """Signed by the credential's key over the server's nonce, a challenge of ours and what it is about; the answer must name them."""
    nonce = nonce_of(link)
    leaf = x509.load_pem_x509_certificate(credential["certificate"].encode())
    asked = answer.asked(purpose, request or leaf.public_bytes(serialization.Encoding.DER))
    body = {
        "certificate": credential["certificate"],
        "nonce": nonce,
        "challenge": asked["challenge"],
        "signature": signed(credential["key"], answer.proof(asked, nonce)),
    }
    if request:
        body["request"] = base64.b64encode(request).decode()
    _, told = link.post(path, body)
    return answer.verified(told, asked, credential["roots"], credential["fleet"])


def is_due(credential):
    when = datetime.fromisoformat(credential["renewAfter"].replace("Z", "+00:00"))
    return credential.get("unconfirmed") is True or datetime.now(timezone.utc) >= when


def nonce_of(link):
    _, told = link.post("/v1/renewals/nonce", {})
    nonce = told.get("nonce")
    if not isinstance(nonce, str) or "\n" in nonce or not 16 <= len(nonce) <= 256:
        raise Failure("the authority's nonce is not one")
    return nonce


def own(told, key, subject):
    """What was issued must be for this key and this subject. Members that are not known are left out."""
    credential = {name: told.get(name) for name in (*TEXTS, "gates", "bundleVersion")}
    texts = [credential[name] for name in TEXTS]
    if not isinstance(credential["gates"], list) or not all(isinstance(text, str) for text in texts + credential["gates"]):
        raise Failure("the answer is not a credential")
    try:
        leaf = x509.load_pem_x509_certificate(credential["certificate"].encode())
    except ValueError as error:
        raise Failure("the answer is not a credential") from error
    name = (credential["fleet"], credential["kind"], subject)
    if credential["subject"] != subject or name not in subject_names(leaf) or public(leaf) != public(load(key)):
        raise Failure(f'the certificate that was issued is not one of "{subject}" for this key')
    return {**credential, "key": key}


def adopt(directory, credential):
    replace_file(os.path.join(directory, "credential.json"), json.dumps(credential, indent=2) + "\n")
    pending = os.path.join(directory, "pending.json")
    if os.path.exists(pending):
        os.remove(pending)
    return credential


def pending_key(directory):
    """On disk before anything is asked, so that a lost answer is asked for again with the same key and burns nothing."""
    file = os.path.join(directory, "pending.json")
    if os.path.exists(file):
        with open(file, encoding="utf-8") as text:
            return json.load(text)["key"]
    made = ec.generate_private_key(ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key = made.private_bytes(*form).decode()
    replace_file(file, json.dumps({"key": key}) + "\n")
    return key


def request_for(key, subject):
    """PKCS#10 in DER. The name is for people; the authority takes the public key alone."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(load(key), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


def signed(key, content):
    return base64.b64encode(load(key).sign(content, ec.ECDSA(hashes.SHA256()))).decode()


def load(key):
    return serialization.load_pem_private_key(key.encode(), password=None)


def public(holder):
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return holder.public_key().public_bytes(*form)


def pem(der_base64):
    return ssl.DER_cert_to_PEM_cert(base64.b64decode(der_base64, validate=True))


def parse_token(text):
    """The words of a failure never repeat the token: it is a secret."""
    try:
        packed = text.strip()
        token = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
        if all(isinstance(token[name], str) for name in ("url", "subject", "secret")) and token["roots"]:
            return token
    except (ValueError, KeyError, TypeError):
        pass
    raise Failure('this is not an enrolment token; it must be the one string that "portcullis token create" prints')


def replace_file(file, text):
    """Whole or not at all, also where power fails: written beside, on disk, then put in its place."""
    beside = f"{file}.new"
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as written:
        written.write(text)
        written.flush()
        os.fsync(written.fileno())
    os.replace(beside, file)
    directory = os.open(os.path.dirname(file) or ".", os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
