/**
 * Bytes ↔ certificates and certification requests (RFC 5280, RFC 2986).
 * - What it encodes, strict verifiers accept; what it parses, it has checked to the last byte.
 * - Of a request nothing but the public key is handed on (P1).
 * Refuses to know: clocks, disks, networks, randomness, and who may have what.
 */
export { contextMark, contextMarkBytes, keyCredentialName } from './key-names.ts';
export { type CertificateFields, makeCertificate, type SignatureMaker } from './make-certificate.ts';
export { type ParsedRequest, parseRequest } from './parse-request.ts';
export { fromPem, toPem } from './pem.ts';
export { type CertificateFacts, fingerprintOf, readCertificate } from './read-certificate.ts';
export { signedBy } from './signed-by.ts';
