/** A device without a connection of its own: it seals, a gateway carries, and what the gate says of it is believed by its signature alone. */
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Agent, request } from 'node:https';
import { type SealForm, type SealVerdict, sealMediaTypes } from '@portcullis/contract';
import {
  bodyOf,
  makeSeal,
  messagesIn,
  openAcknowledgement,
  type Sealed,
  type SealSigner,
  sealNameOf,
} from '@portcullis/device/seal';
import { type Answer, answerMsMax, type Identity, orNone, type Place, readingOf, type Way } from './way.ts';

export interface Carrier {
  subject: string;
  fingerprint: string;
  agent: Agent;
}

/** As an outbox has it: what is sent again keeps its numbers and its time, also under another certificate. */
export class Numbering {
  readonly #run = randomBytes(6).toString('hex');
  #last: readonly string[] = [];
  #seq = 0;
  #time = 0;

  of(ids: readonly string[]): Pick<Sealed, 'run' | 'seq' | 'time'> {
    if (ids !== this.#last) [this.#seq, this.#time] = [this.#seq + (this.#last.length || 1), Date.now()];
    this.#last = ids;
    return { run: this.#run, seq: this.#seq, time: this.#time };
  }
}

const statusOf = { certificate: 403, gate: 503, reading: 422 } as const;

export class SealedWay implements Way {
  readonly most = 5;
  readonly tells = true;
  readonly #url: string;
  readonly #carrier: Carrier;
  readonly #signer: SealSigner;
  readonly #identity: Identity;
  readonly #form: SealForm;
  readonly #numbering: Numbering;

  constructor({ url }: Place, identity: Identity, carrier: Carrier, numbering: Numbering) {
    this.#url = `${url}/v1/streams/telemetry/sealed`;
    [this.#carrier, this.#identity, this.#numbering] = [carrier, identity, numbering];
    const { key, certificate } = identity.credential;
    // Half of them bring their certificate along, of the others the gate asks for it.
    this.#form = identity.fingerprint < '8' ? 'jws' : 'cose';
    const leaf = new X509Certificate(certificate).raw;
    this.#signer = { key: createPrivateKey(key), certificate: leaf, brings: this.#form === 'cose' };
  }

  send(ids: readonly string[]): Promise<Answer> {
    return orNone(this.#send(ids));
  }

  /** The connection is the carrier's. */
  breakOff(): void {}

  async #send(ids: readonly string[]): Promise<Answer> {
    const numbered = this.#numbering.of(ids);
    const payload = Buffer.from(ids.map((id) => JSON.stringify(readingOf(id))).join('\n'));
    const sealed = { stream: 'telemetry' as Sealed['stream'], ...numbered, payload };
    const seal = makeSeal(this.#form, this.#signer, sealed);
    const { status, body } = await this.#carried(seal);
    if (status !== 200) {
      // Nothing was judged but the carrier.
      const { reason = '' } = JSON.parse(body.toString()) as { reason?: string };
      return { status: 0, reason: `carrier: ${reason}`, carried: { status, reason } };
    }
    return { ...answerOf(this.#verdictOf(seal, body, numbered.time)), carried: { status: 202, reason: '' } };
  }

  #verdictOf(seal: Buffer, body: Buffer, since: number): SealVerdict | undefined {
    const { roots, fleet } = this.#identity.credential;
    const trust = { roots, fleet, now: Date.now(), since };
    const opened = messagesIn(body, this.#form).map((one) => openAcknowledgement(one, this.#form, trust));
    return opened.flatMap(({ seals }) => seals).find((one) => one.seal === sealNameOf(seal));
  }

  async #carried(seal: Buffer): Promise<{ status: number; body: Buffer }> {
    const body = bodyOf([seal], this.#form);
    const headers = { 'content-type': sealMediaTypes[this.#form], 'content-length': body.length };
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { method: 'POST', agent: this.#carrier.agent, headers, signal: AbortSignal.timeout(answerMsMax) };
      request(this.#url, options, resolve).on('error', reject).end(body);
    });
    const chunks: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
    return { status: answer.statusCode ?? 0, body: Buffer.concat(chunks) };
  }
}

function answerOf(verdict: SealVerdict | undefined): Answer {
  if (verdict === undefined) return { status: 500, reason: 'no verdict on the seal' };
  if (verdict.verdict === 'admitted') return { status: 202, reason: '', revision: verdict.revision };
  return { status: statusOf[verdict.class], reason: verdict.reason };
}
