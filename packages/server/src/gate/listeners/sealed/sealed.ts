import { createPrivateKey } from 'node:crypto';
import {
  type Fingerprint,
  type SealForm,
  type SealVerdict,
  type StreamName,
  type SubjectId,
  sealBounds,
} from '@portcullis/contract';
import { bodyOf, type GateSigner, makeAcknowledgement, messagesIn } from '@portcullis/device/seal';
import { fromPem } from '../../../pki/pki.ts';
import { timestamp } from '../../../telemetry/telemetry.ts';
import { judge, type Refused } from '../../admission/admit.ts';
import type { Connection } from '../../connections/connections.ts';
import type { SubmissionParts } from '../submission.ts';
import type { ServerCredential } from '../tls.ts';
import { type Carried, CarriedSeals, type Judged, refusedVerdict } from './carried.ts';
import { Signers } from './signers.ts';
import { Turns } from './turns.ts';

export interface SealsParts extends SubmissionParts {
  gate: SubjectId;
  instance: string;
  retainDays: number;
  leafOf(fingerprint: Fingerprint): Promise<Buffer>;
  monotonic(): number;
}

/** What a carrier is answered: the acknowledgements for those who sealed, or why it may not carry. */
export type CarriedAnswer = { acknowledgements: Buffer } | { refused: Refused };

/** Seals that are carried, over whatever they come, and what the gate says of them, signed with the key of its server's certificate. */
export class Seals {
  readonly #parts: SealsParts;
  readonly #signers: Signers;
  readonly #turns = new Turns();
  #signing: GateSigner | undefined;

  constructor(parts: SealsParts) {
    this.#parts = parts;
    this.#signers = new Signers(parts);
  }

  swapCredential({ key, certificate }: ServerCredential): void {
    const chain = fromPem('CERTIFICATE', certificate) as unknown as GateSigner['chain'];
    this.#signing = { key: createPrivateKey(key), chain };
  }

  /** `done` is called once: when every seal in the body has its verdict, and all that was admitted is durable. */
  carry(
    body: Buffer,
    form: SealForm,
    stream: string,
    carrier: Connection,
    done: (answer: CarriedAnswer) => void,
  ): void {
    const seals = messagesIn(body, form);
    if (seals.length === 0) return done({ refused: { reason: 'reading_malformed', detail: 'the body holds no seal' } });
    if (seals.length > sealBounds.sealsMax) return done({ refused: tooMany });
    const parts = { ...this.#parts, signers: this.#signers, turns: this.#turns };
    const judged = (carried: Carried) => this.#judged(carried, form, stream, done);
    new CarriedSeals(parts, { seals, form, stream, carrier }, judged).start();
  }

  #judged({ judged, carrier }: Carried, form: SealForm, stream: string, done: (answer: CarriedAnswer) => void): void {
    if (carrier) return done({ refused: carrier });
    const left = [...bySigner(judged)];
    const made: Buffer[] = [];
    this.#turns.add(() => {
      const [signer, seals] = left.pop() as [string | null, Judged[]];
      const verdicts = seals.map((one) => this.#asOfNow(one, stream));
      made.push(this.#acknowledgementOf(signer, verdicts, form, stream));
      if (left.length === 0) done({ acknowledgements: bodyOf(made, form) });
      return left.length > 0;
    });
  }

  /** P7: other seals of the request may have been waited for, and the signer cut meanwhile, or the lease lost: it is told what it would be told now. */
  #asOfNow({ verdict, admitted }: Judged, name: string): SealVerdict {
    const { ground } = this.#parts;
    if (!admitted || (admitted.revision === ground.replica.revision && ground.lease.holds())) return verdict;
    const { bearer } = admitted;
    const refused = judge({ bearer, stream: ground.policy.streams.get(name), data: [] }, ground);
    return refused ? refusedVerdict(verdict.seal, refused, bearer, ground.replica) : verdict;
  }

  #acknowledgementOf(signer: string | null, seals: SealVerdict[], form: SealForm, stream: string): Buffer {
    const { gate, instance, now } = this.#parts;
    return makeAcknowledgement(form, this.#signing as GateSigner, {
      ...{ gate, instance, time: timestamp(now()), stream: stream as StreamName },
      ...{ signer: signer as Fingerprint | null, seals },
    });
  }
}

const tooMany: Refused = {
  reason: 'reading_too_large',
  detail: `the body holds more than ${sealBounds.sealsMax} seals`,
};

function bySigner(judged: readonly Judged[]): Map<string | null, Judged[]> {
  const all = new Map<string | null, Judged[]>();
  for (const one of judged) {
    const known = all.get(one.thumbprint);
    if (known) known.push(one);
    else all.set(one.thumbprint, [one]);
  }
  return all;
}
