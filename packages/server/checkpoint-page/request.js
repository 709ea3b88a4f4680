/** Just enough DER (X.690) to write a certification request (RFC 2986 §4) in a browser. */
import { joined, utf8 } from './bytes.js';

const ecdsa = { name: 'ECDSA', hash: 'SHA-256' };
/** ecdsa-with-SHA256 (RFC 5758 §3.2), commonName (RFC 5280 appendix A). */
const [ecdsaWithSha256, commonName] = [
  [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  [0x55, 0x04, 0x03],
];

/** In DER, signed by its own key. The name is for people; the authority takes the public key alone. */
export async function certificationRequest({ publicKey, privateKey }, subject) {
  const key = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey));
  const name = sequence(element(0x31, sequence(identifier(commonName), element(0x0c, utf8(subject)))));
  const information = sequence(element(0x02, Uint8Array.of(0)), name, key, element(0xa0));
  const signature = await signatureBy(privateKey, information);
  const algorithm = sequence(identifier(ecdsaWithSha256));
  return sequence(information, algorithm, element(0x03, Uint8Array.of(0), signature));
}

/** By the key of a certificate, as X.509 writes it. */
export async function signatureBy(key, bytes) {
  return inDer(new Uint8Array(await crypto.subtle.sign(ecdsa, key, bytes)));
}

/** WebCrypto gives r and s side by side; X.509 wants two INTEGERs (RFC 3279 §2.2.3). */
function inDer(signature) {
  const half = signature.length / 2;
  return sequence(integer(signature.subarray(0, half)), integer(signature.subarray(half)));
}

function integer(bytes) {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from++;
  const short = bytes.subarray(from);
  return element(0x02, short[0] & 0x80 ? joined(Uint8Array.of(0), short) : short);
}

function element(tag, ...parts) {
  const content = joined(...parts);
  return joined(Uint8Array.of(tag, ...lengthOf(content.length)), content);
}

function lengthOf(length) {
  if (length < 0x80) return [length];
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
}

const sequence = (...parts) => element(0x30, ...parts);
const identifier = (bytes) => element(0x06, Uint8Array.from(bytes));
