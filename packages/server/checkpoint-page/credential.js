/**
 * The key of this phone: made here, kept by the browser, and given out to nobody, this page included. What it signs is the
 * checkpoint's word. What the authority answers is not checked against a root: it comes from where this page came from.
 */
import { ask } from './ask.js';
import { base64, base64url, bytesOf, hex, joined, sha256, utf8 } from './bytes.js';
import { certificationRequest, signatureBy } from './request.js';

const p256 = { name: 'ECDSA', namedCurve: 'P-256' };
/** PKCS#8 of an Ed25519 key around its seed (RFC 8410 §7). */
const seedPrefix = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20);

/** What a link holds behind its `#`, which no server sees; undefined: it is none. */
export function linkIn(fragment) {
  const [, subject, secret] = /^#([a-z0-9][a-z0-9._-]{0,62})\.([A-Za-z0-9_-]{43})$/.exec(fragment) ?? [];
  return secret === undefined ? undefined : { subject, secret };
}

export function makeKey() {
  return crypto.subtle.generateKey(p256, false, ['sign', 'verify']);
}

/** The same key may ask again with the same link: a lost answer is simply asked for again. @throws {Refusal} */
export async function enrol({ subject, secret }, key) {
  const request = await certificationRequest(key, subject);
  const challenge = newChallenge();
  const about = hex(await sha256(request));
  const { proofKey, prove } = await proofKeyOf(secret);
  const signature = await prove(utf8(`portcullis enrolment v2\n${challenge}\n${about}`));
  const answer = await ask('/v1/enrolments', { proofKey, challenge, request: base64(request), signature });
  return credentialOf(answer, key);
}

/** Another key and certificate for the same checkpoint, signed for by the key before. @throws {Refusal} */
export async function renew(credential, key) {
  const request = await certificationRequest(key, credential.subject);
  const answer = await asHolder('renewal', '/v1/renewals', credential, request);
  return { ...(await credentialOf(answer, key)), unconfirmed: true };
}

/** The first use of what was renewed: the certificate before it is good for nothing from then on. @throws {Refusal} */
export async function confirm({ unconfirmed: _, ...credential }) {
  await asHolder('confirmation', '/v1/renewals/confirmation', credential);
  return credential;
}

async function asHolder(purpose, path, { key, certificate }, request) {
  const { nonce } = await ask('/v1/renewals/nonce', {});
  const challenge = newChallenge();
  const about = hex(await sha256(request ?? derOf(certificate)));
  const bytes = utf8(`portcullis ${purpose} v2\n${nonce}\n${challenge}\n${about}`);
  const signature = base64(await signatureBy(key.privateKey, bytes));
  return ask(path, { certificate, nonce, challenge, signature, ...(request && { request: base64(request) }) });
}

async function credentialOf(answer, key) {
  const issued = JSON.parse(new TextDecoder().decode(bytesOf(answer.payload)));
  const { subject, kind, certificate, renewAfter, notAfter } = issued;
  const thumbprint = base64url(await sha256(derOf(certificate)));
  return { subject, kind, certificate, renewAfter, notAfter, thumbprint, key };
}

const newChallenge = () => base64url(crypto.getRandomValues(new Uint8Array(32)));
const derOf = (pem) => bytesOf(pem.replaceAll(/-----[^-]+-----|\s/g, ''));

/** The key whose seed the secret is: the secret itself goes nowhere. */
async function proofKeyOf(secret) {
  const pkcs8 = joined(seedPrefix, bytesOf(secret));
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', true, ['sign']);
  const { x: proofKey } = await crypto.subtle.exportKey('jwk', key);
  return {
    proofKey,
    prove: async (bytes) => base64(new Uint8Array(await crypto.subtle.sign('Ed25519', key, bytes))),
  };
}

/** A JWS in compact form (RFC 7515 §7.1) that names the certificate whose key signed it. */
export async function signed({ key, thumbprint }, type, payload) {
  const header = { alg: 'ES256', typ: type, 'x5t#S256': thumbprint };
  const input = [header, payload].map((part) => base64url(utf8(JSON.stringify(part)))).join('.');
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key.privateKey, utf8(input));
  return `${input}.${base64url(new Uint8Array(signature))}`;
}
