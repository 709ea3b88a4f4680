import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { contextMarkBytes } from '../../../pki/pki.ts';

interface Parts {
  /** What every challenge of this gate begins with, and of no other. */
  mark: Buffer;
  random(bytes: number): Buffer;
  monotonic(): number;
}

/** A key, since when it is in use, and with which ID contexts sensors came back to what it made. */
interface Period {
  key: KeyObject;
  from: number;
  taken: Set<string>;
}

/** A challenge is answered within one to two of these. */
const periodMs = 60_000;
const saltBytes = 4;
const tagBytes = 8;
export const challengeBytes = contextMarkBytes + saltBytes + tagBytes;
/** R3: as long as its being repeated is negligible (RFC 8613 appendix B.2). */
const ownPartBytes = { min: 8, max: 16 };

/**
 * R2 of RFC 8613 appendix B.2: what a gate asks a sensor to make its context with, so that nothing that was recorded earlier, or for another
 * gate, is taken. Made as in B.2.1: known again by a key that no other gate and no later process has, so that a recorded first request, however
 * often it comes, fills no memory here. What a sensor came back with is taken once.
 */
export class Challenges {
  readonly #parts: Parts;
  #periods: Period[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  make(keyId: Buffer): Buffer {
    const salted = Buffer.concat([this.#parts.mark, this.#parts.random(saltBytes)]);
    return Buffer.concat([salted, tagOf(this.#newest().key, keyId, salted)]);
  }

  /** Is it a challenge that was made here for this key, with a part of the sensor's own behind it, and was not taken yet? */
  isOpen(keyId: Buffer, idContext: Buffer): boolean {
    const period = this.#periodOf(keyId, idContext);
    return period !== undefined && !period.taken.has(takenName(keyId, idContext));
  }

  /** Of an authentic request. False: it was taken, or its time is over meanwhile. */
  take(keyId: Buffer, idContext: Buffer): boolean {
    const period = this.#periodOf(keyId, idContext);
    if (!period || period.taken.has(takenName(keyId, idContext))) return false;
    period.taken.add(takenName(keyId, idContext));
    return true;
  }

  #periodOf(keyId: Buffer, idContext: Buffer): Period | undefined {
    const ownBytes = idContext.length - challengeBytes;
    if (ownBytes < ownPartBytes.min || ownBytes > ownPartBytes.max) return undefined;
    const saltedBytes = contextMarkBytes + saltBytes;
    const [salted, tag] = [idContext.subarray(0, saltedBytes), idContext.subarray(saltedBytes, challengeBytes)];
    this.#forgetOld();
    return this.#periods.find(({ key }) => timingSafeEqual(tagOf(key, keyId, salted), tag));
  }

  #newest(): Period {
    this.#forgetOld();
    const now = this.#parts.monotonic();
    const [newest] = this.#periods;
    if (newest && now - newest.from < periodMs) return newest;
    const next = { key: createSecretKey(this.#parts.random(32)), from: now, taken: new Set<string>() };
    this.#periods.unshift(next);
    return next;
  }

  #forgetOld(): void {
    const now = this.#parts.monotonic();
    this.#periods = this.#periods.filter(({ from }) => now - from < 2 * periodMs);
  }
}

const takenName = (keyId: Buffer, idContext: Buffer) => `${keyId.toString('hex')}:${idContext.toString('hex')}`;

function tagOf(key: KeyObject, keyId: Buffer, salted: Buffer): Buffer {
  return createHmac('sha256', key).update(salted).update(keyId).digest().subarray(0, tagBytes);
}
