import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { type Asked, answerBytes, digestOf, type SignedAnswer } from '@portcullis/contract';
import type { Bundle, Issuance } from '../issuance/issuance.ts';
import type { Journal } from '../journal/journal.ts';
import type { Log, System } from '../telemetry/telemetry.ts';

/** A fresh key as PKCS#8 PEM, and the request for its certificate. */
export type MakeKey = () => { key: string; request: Uint8Array };

interface Parts {
  makeKey: MakeKey;
  issuance: Issuance;
  journal: Journal;
  system: System;
  log: Log;
}

interface AnswerKey {
  /** That there was when it was made. */
  bundle: Bundle;
  key: KeyObject;
  signer: string;
  signerIssuer: string;
  /** When it was made, and when its certificate begins. */
  madeAt: number;
  notBefore: number;
  renewAfter: number;
  notAfter: number;
}

/**
 * Signs what the authority answers to strangers, so that whoever carries an answer can change nothing of it. The key lives in this
 * process alone, for a day; its certificate has the role of the authority and no host name, so that no client takes it for a server's.
 */
export class Answers {
  readonly #parts: Parts;
  #current: AnswerKey | undefined;
  #coming: Promise<AnswerKey> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** `told`: what is said, or what says it once the key is there. */
  async signed(asked: Asked, told: object | (() => object)): Promise<SignedAnswer> {
    const { key, signer, signerIssuer } = await this.#key();
    const payload = Buffer.from(JSON.stringify({ ...(typeof told === 'function' ? told() : told), ...asked }));
    const signature = sign(digestOf(key), answerBytes(payload), key).toString('base64');
    return { payload: payload.toString('base64'), signature, signer, signerIssuer };
  }

  /** Made when the first answer needs it: a command on a stopped store makes none. */
  async #key(): Promise<AnswerKey> {
    const current = this.#current;
    // With another bundle who signs may be another one, below another root.
    const isOfNow = current?.bundle === this.#parts.issuance.bundle;
    const now = this.#parts.system.now();
    // The clock was ahead when it was made, and was put back.
    const isToCome = current && now < current.notBefore && now < current.madeAt;
    if (current && isOfNow && now < current.renewAfter && !isToCome) return current;
    this.#coming ??= this.#obtain().finally(() => {
      this.#coming = undefined;
    });
    return this.#coming.catch((error: unknown) => {
      if (!current || this.#parts.system.now() >= current.notAfter) throw error;
      this.#parts.log.warn({ err: error }, "couldn't renew the key that signs answers; the one before still does");
      return current;
    });
  }

  async #obtain(): Promise<AnswerKey> {
    const { issuance, journal, makeKey } = this.#parts;
    const { bundle } = issuance;
    const madeAt = this.#parts.system.now();
    const { key, request } = makeKey();
    const permit = await issuance.check({ subject: 'authority', kind: 'authority', request, hosts: [] });
    const issued = await issuance.issue(permit);
    const entry = { actor: 'authority', action: 'certificates.answers', body: { fingerprint: issued.fingerprint } };
    await journal.note(entry, (db) => issuance.recordOwn(db, issued, 'authority'));
    this.#current = {
      bundle,
      key: createPrivateKey(key),
      signer: issued.pem,
      signerIssuer: issued.issuerPem,
      madeAt,
      notBefore: issued.notBefore,
      renewAfter: issuance.renewAfter(issued),
      notAfter: issued.notAfter,
    };
    return this.#current;
  }
}
