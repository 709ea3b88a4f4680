/**
 * Bytes ↔ certificates, certification requests, lists of revoked certificates, and questions and answers about certificates (RFC 5280, RFC 2986,
 * RFC 6960).
 * - What it encodes, strict verifiers accept; what it parses, it has checked to the last byte.
 * - Of a request nothing but the public key is handed on (P1).
 * Refuses to know: clocks, disks, networks, randomness, and who may have what.
 */

export { addressBytes, subjectOf } from './certificate-parts.ts';
export { certsOnly } from './certs-only.ts';
export { encryptKey } from './encrypted-key.ts';
export { joseAlgorithmOf, joseSignature } from './jose.ts';
export { contextMark, contextMarkBytes, keyCredentialName } from './key-names.ts';
export { type CertificateFields, makeCertificate, type SignatureMaker } from './make-certificate.ts';
export { type ListFields, makeList, nextListNumber } from './make-list.ts';
export { makeRequest } from './make-request.ts';
export { type ParsedRequest, parseRequest, parseRequestAside } from './parse-request.ts';
export {
  type CertificateId,
  parseStatusRequest,
  type StatusHash,
  type StatusRequest,
  statusRequestBytesMax,
} from './parse-status-request.ts';
export { fromPem, toPem } from './pem.ts';
export { type AuthorityFacts, readAuthority } from './read-authority.ts';
export { type BodyExtension, type CertificateBody, keyBitsIn, namesItsCurve, readBody } from './read-body.ts';
export { type CertificateFacts, fingerprintOf, readCertificate } from './read-certificate.ts';
export { isListOf, listBytesMax, type ReadList, readList } from './read-list.ts';
export { requestNames } from './request-names.ts';
export { isSignedBy, signedBy } from './signed-by.ts';
export {
  type IssuerHashes,
  issuerHashes,
  makeStatusAnswer,
  type StatusRefusal,
  type StatusSigner,
  statusRefusals,
} from './status-answer.ts';
export { requireDer } from './strict-der.ts';
export { type Presented, verifyPresented } from './verify-presented.ts';
