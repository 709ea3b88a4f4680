import { hash, X509Certificate } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { PortcullisError, Problem, type SealVerdict, sealMediaTypes } from '@portcullis/contract';
import type { Credential } from '../credential/credential.ts';
import { withKey } from '../link/private-key.ts';
import type { Batch, Heard, Told, Way } from '../outbox/way.ts';
import { openAcknowledgement } from '../seal/acknowledgement.ts';
import { bodyOf, messagesIn } from '../seal/seal.ts';
import type { System } from '../system.ts';
import { type PlainAnswer, PlainClient } from './plain-client.ts';
import { type SealedReadings, sealReadings } from './sealed-readings.ts';

export interface SealedParts {
  /** `http://HOST:PORT` of those who carry. */
  carriers: readonly string[];
  credential: Credential;
  system: System;
}

/** What was handed over and has no verdict yet: the same bytes are handed over again. */
interface Pending {
  seals: SealedReadings[];
  body: Buffer;
  madeAt: number;
}

const form = 'jws';
/** How long the carrier is asked to wait for a gate (RFC 7240 §4.3), and how soon it is asked again. */
const waitSeconds = 20;
const askAgainMs = 1_000;

/**
 * Readings under the device's own signature, by whoever carries them: it may hold them back, and can neither alter nor invent any. Only
 * what a gate signed of these very seals settles them (P16).
 */
export class SealedWay implements Way {
  readonly gates: readonly string[];
  readonly noGate = 'nobody is named who carries: --via URL';
  readonly #parts: SealedParts;
  readonly #certificate: Buffer;
  readonly #thumbprint: string;
  readonly #client = new PlainClient();
  /** By stream. */
  readonly #pending = new Map<string, Pending>();
  /** Streams whose last answer was not what it takes: a carrier must not give it again. */
  readonly #anew = new Set<string>();
  /** Until a gate has taken a seal of this certificate it may not know it. */
  #brings = true;

  constructor(parts: SealedParts) {
    this.#parts = parts;
    this.gates = parts.carriers;
    this.#certificate = new X509Certificate(parts.credential.certificate).raw;
    this.#thumbprint = hash('sha256', this.#certificate, 'hex');
  }

  async send({ gate, stream, readings, timeoutMs, signal }: Batch): Promise<Heard> {
    const pending = this.#pendingOf(
      stream,
      readings.map(({ line }) => line),
    );
    const answer = await this.#handOver(gate, stream, pending, { timeoutMs, signal });
    this.#anew.add(stream);
    if (answer.status !== 200)
      throw new PortcullisError('server_unreachable', `"${gate}" does not carry it: ${hintOf(answer)}`);
    const heard = heardOf(pending, this.#verdictsIn(answer.body, stream, pending));
    // What is sent next is sealed anew: a part of it, or the same to be judged again.
    this.#pending.delete(stream);
    this.#brings = 'problem' in heard;
    if (!this.#brings) this.#anew.delete(stream);
    return heard;
  }

  /** What is not acknowledged is sealed anew, whenever that is: nothing is waited for. */
  async drain(): Promise<void> {
    this.close();
  }

  close(): void {
    this.#client.close();
  }

  #pendingOf(stream: string, lines: readonly string[]): Pending {
    const known = this.#pending.get(stream);
    if (known && isBeginning(known.seals, lines)) return known;
    const madeAt = this.#parts.system.now();
    const bearer = { certificate: this.#certificate, brings: this.#brings };
    const parts = { form, stream, now: madeAt, random: this.#parts.system.random } as const;
    const seals = withKey(this.#parts.credential.key, (key) =>
      sealReadings(lines, { ...parts, signer: { ...bearer, key } }),
    );
    const body = bodyOf(
      seals.map(({ seal }) => seal),
      form,
    );
    const pending = { seals, body, madeAt };
    this.#pending.set(stream, pending);
    return pending;
  }

  /** Until there is an answer of a gate, or the time is over: to have it kept by the carrier is none. */
  async #handOver(
    via: string,
    stream: string,
    { body }: Pending,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<PlainAnswer> {
    const { monotonic } = this.#parts.system;
    const until = monotonic() + timeoutMs;
    for (;;) {
      const answer = await this.#client.post({
        url: `${via}/v1/streams/${stream}/sealed`,
        headers: {
          'content-type': sealMediaTypes[form],
          prefer: `wait=${waitSeconds}`,
          ...(this.#anew.has(stream) && { 'cache-control': 'no-cache' }),
        },
        ...{ body, timeoutMs, signal },
      });
      this.#anew.delete(stream);
      if (answer.status !== 202) return answer;
      if (monotonic() >= until)
        throw new PortcullisError('server_unreachable', `"${via}" keeps it, and no gate has answered`);
      await pause(askAgainMs, undefined, { signal });
    }
  }

  /** Of our seals alone, by their names. @throws {PortcullisError} `acknowledgement_not_verified`: nothing in it is a gate's */
  #verdictsIn(body: Buffer, stream: string, { madeAt: since }: Pending): Map<string, SealVerdict> {
    const { roots, fleet } = this.#parts.credential;
    const trust = { roots, fleet, now: this.#parts.system.now(), since };
    const verdicts = new Map<string, SealVerdict>();
    let failure: unknown;
    for (const message of messagesIn(body, form, acknowledgementsMax)) {
      try {
        const said = openAcknowledgement(message, form, trust);
        const isOurs = said.stream === stream && said.signer === this.#thumbprint;
        if (isOurs) for (const verdict of said.seals) verdicts.set(verdict.seal, verdict);
      } catch (error) {
        failure = error;
      }
    }
    if (verdicts.size === 0 && failure) throw failure;
    return verdicts;
  }
}

/** One for each signer in a request; there is one here. */
const acknowledgementsMax = 16;

function isBeginning(seals: readonly SealedReadings[], lines: readonly string[]): boolean {
  const sealed = seals.flatMap((one) => one.lines);
  return sealed.length <= lines.length && sealed.every((line, index) => line === lines[index]);
}

/** The first seals that are admitted settle their readings; where the first is not, it says why. */
function heardOf({ seals }: Pending, verdicts: Map<string, SealVerdict>): Heard {
  let stored = 0;
  for (const { name, lines } of seals) {
    const verdict = verdicts.get(name);
    if (verdict?.verdict !== 'admitted' || verdict.readings !== lines.length) break;
    stored += lines.length;
  }
  if (stored > 0) return { settled: Array.from({ length: stored }) };
  const first = verdicts.get(seals[0]?.name ?? '');
  if (first?.verdict === 'refused') return toldOf(first);
  throw new PortcullisError(
    'acknowledgement_not_verified',
    'no gate said anything of what was sealed: whoever carries it changed it, or answers by itself',
  );
}

function toldOf({ verdict: _, seal: __, class: reasonClass, ...told }: SealVerdict & { verdict: 'refused' }): Told {
  return { problem: { type: 'about:blank', status: 403, ...told }, reasonClass, atLeastMs: 0 };
}

/** Whoever carries may say anything: it is told to people, and nothing follows from it. */
function hintOf({ status, body }: PlainAnswer): string {
  try {
    const { reason, title } = Problem.parse(JSON.parse(body.toString('utf8')));
    return `${reason}: ${title}`;
  } catch {
    return `it answered ${status}`;
  }
}
