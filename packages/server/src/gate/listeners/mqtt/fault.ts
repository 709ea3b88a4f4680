/** What MQTT 5 calls its reasons (§2.4); in 3.1.1 a connection is closed instead, but for CONNECT. */
export const codes = {
  success: 0x00,
  malformed: 0x81,
  protocolError: 0x82,
  implementationSpecific: 0x83,
  versionUnsupported: 0x84,
  identifierInvalid: 0x85,
  notAuthorized: 0x87,
  authenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  takenOver: 0x8e,
  filterInvalid: 0x8f,
  topicInvalid: 0x90,
  aliasInvalid: 0x94,
  tooLarge: 0x95,
  quotaExceeded: 0x97,
  administrative: 0x98,
  payloadInvalid: 0x99,
  retainUnsupported: 0x9a,
  qosUnsupported: 0x9b,
  sharedUnsupported: 0x9e,
  identifiersUnsupported: 0xa1,
  wildcardUnsupported: 0xa2,
} as const;

/** Bytes that no client may send: the code that the standard names, and words for the log and for who speaks MQTT 5. */
export interface Fault {
  code: number;
  words: string;
}

export const malformed = (words: string): Fault => ({ code: codes.malformed, words });
export const protocolError = (words: string): Fault => ({ code: codes.protocolError, words });

/** Thrown and caught within one look at one packet. */
export class Faulty extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.words);
    this.fault = fault;
  }
}
