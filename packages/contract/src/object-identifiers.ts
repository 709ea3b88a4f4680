/** Object identifiers that both ends of a PKCS#10 request and a leaf must agree on, with their source. */
export const objectIdentifiers = {
  /** RFC 5480 §2.1.1 */
  ecPublicKey: '1.2.840.10045.2.1',
  /** RFC 5480 §2.1.1.1 */
  p256: '1.2.840.10045.3.1.7',
  p384: '1.3.132.0.34',
  /** RFC 5758 §3.2 */
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
  ecdsaWithSha512: '1.2.840.10045.4.3.4',
  /** RFC 8410 §3 */
  ed25519: '1.3.101.112',
  /** RFC 9881 §2: of the key and of the signature */
  mlDsa44: '2.16.840.1.101.3.4.3.17',
  mlDsa65: '2.16.840.1.101.3.4.3.18',
  mlDsa87: '2.16.840.1.101.3.4.3.19',
  /** RFC 8017 appendix A */
  rsaEncryption: '1.2.840.113549.1.1.1',
  sha256WithRsaEncryption: '1.2.840.113549.1.1.11',
  sha384WithRsaEncryption: '1.2.840.113549.1.1.12',
  sha512WithRsaEncryption: '1.2.840.113549.1.1.13',
  /** RFC 8018 appendix A.4 */
  pbes2: '1.2.840.113549.1.5.13',
  /** RFC 7914 §7 */
  scrypt: '1.3.6.1.4.1.11591.4.11',
  /** NIST CSOR */
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
  /** RFC 5280 §4.2.1.12 */
  clientAuth: '1.3.6.1.5.5.7.3.2',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  /** RFC 6960 §4.2.2.2 */
  ocspSigning: '1.3.6.1.5.5.7.3.9',
  ocspNoCheck: '1.3.6.1.5.5.7.48.1.5',
  /** RFC 9336 §3.1 */
  documentSigning: '1.3.6.1.5.5.7.3.36',
  /** RFC 5280 appendix A */
  commonName: '2.5.4.3',
  organizationName: '2.5.4.10',
  serialNumber: '2.5.4.5',
  /** RFC 2985 §5.4.1 */
  challengePassword: '1.2.840.113549.1.9.7',
  /** RFC 2985 §5.4.2 */
  extensionRequest: '1.2.840.113549.1.9.14',
} as const;
