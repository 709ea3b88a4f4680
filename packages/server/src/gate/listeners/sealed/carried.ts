import { reasons, type SealForm, type SealVerdict, type StreamName } from '@portcullis/contract';
import { messageRefused, type ReadSeal, readSeal, sealNameOf } from '@portcullis/device/seal';
import type { Replica } from '../../../replica/replica.ts';
import type { Refused } from '../../admission/admit.ts';
import { describe } from '../../admission/explain.ts';
import type { Bearer } from '../../connections/bearer.ts';
import type { Connection } from '../../connections/connections.ts';
import { Submission, type SubmissionParts, type Submitted } from '../submission.ts';
import { toldOf } from '../told.ts';
import { sealedReadings } from './sealed-readings.ts';
import type { Signer, Signers } from './signers.ts';
import type { Turns } from './turns.ts';

export interface CarriedParts extends SubmissionParts {
  signers: Signers;
  turns: Turns;
  /** 0: for ever. */
  retainDays: number;
}

/** What one carrier brought at once: seals of one form for one stream, by whomever they are signed. */
export interface Brought {
  seals: readonly Buffer[];
  form: SealForm;
  stream: string;
  carrier: Connection;
}

/** A verdict, and the thumbprint that the seal names where one could be read. */
export interface Judged {
  thumbprint: string | null;
  verdict: SealVerdict;
  /** Of one that was admitted: by whom it is, and at which revision that was so last. */
  admitted?: { bearer: Bearer; revision: number };
}

/** What became of all of them; `carrier`: it was refused itself, and those seals have no verdict. */
export interface Carried {
  judged: readonly Judged[];
  carrier: Refused | undefined;
}

/** So many that are nobody's seals, and of the rest of a request none is looked at: each may cost a check of a signature. */
const wrongMax = 64;
const dayMs = 86_400_000;

/**
 * Judges what a carrier brought (P16), seal by seal in turns: whose it is by its signature, and then the carrier and the signer by the same
 * steps as everybody. What is wrong with a seal itself is told of its carrier, for nobody else is known to have anything to do with it.
 */
export class CarriedSeals {
  readonly #parts: CarriedParts;
  readonly #brought: Brought;
  readonly #done: (carried: Carried) => void;
  readonly #judged: Judged[] = [];
  /** Stored together once the last was looked at: a commit for each few would cost as much as a signature. */
  readonly #verified: (() => void)[] = [];
  #carrier: Refused | undefined;
  #next = 0;
  #left: number;
  #wrong = 0;

  /** `done` is called once, when the last of them has its verdict. */
  constructor(parts: CarriedParts, brought: Brought, done: (carried: Carried) => void) {
    this.#parts = parts;
    this.#brought = brought;
    this.#done = done;
    this.#left = brought.seals.length;
  }

  start(): void {
    this.#parts.turns.add(() => this.#judgeNext());
  }

  #judgeNext(): boolean {
    const { seals, form, stream } = this.#brought;
    const seal = seals[this.#next++];
    if (!seal) return false;
    const read = readSeal(seal, form);
    if ('refused' in read) this.#refuseSeal(seal, null, { reason: read.refused, detail: read.detail });
    else if (this.#wrong >= wrongMax) this.#refuse(seal, read, { reason: 'gate_overloaded' });
    else if (read.members.stream !== stream) this.#refuseSeal(seal, read, otherStream(read.members.stream, stream));
    else this.#findSigner(seal, read);
    const more = this.#next < seals.length;
    if (!more) this.#submitVerified();
    return more;
  }

  #findSigner(seal: Buffer, read: ReadSeal): void {
    const { ground, signers, turns } = this.#parts;
    const { replica, lease } = ground;
    if (replica.find(read.thumbprint) === -1)
      return this.#refuseSeal(seal, read, { reason: lease.holds() ? 'certificate_unknown' : 'replica_stale' });
    const known = signers.known(read.thumbprint, read.message.header.chain);
    if (known) return this.#verify(seal, read, known);
    void signers.ask(read.thumbprint).then((signer) =>
      turns.add(() => {
        if (signer) this.#verify(seal, read, signer);
        else this.#refuse(seal, read, { reason: 'signer_unavailable' });
        if (this.#next >= this.#brought.seals.length) this.#submitVerified();
        return false;
      }),
    );
  }

  #verify(seal: Buffer, read: ReadSeal, { key, bearer }: Signer): void {
    const wrong = messageRefused(read.message, key);
    if (wrong) return this.#refuseSeal(seal, read, { reason: wrong.refused, detail: wrong.detail });
    const { carrier, stream } = this.#brought;
    const sender = { bearer, carrier };
    const submission = new Submission(this.#parts, sender, stream, (result) => this.#end(seal, read, bearer, result));
    const readings = sealedReadings(read);
    const refused = 'reason' in readings ? readings : this.#tooOld(readings.deviceTimes, readings.clocks);
    if (refused) {
      submission.noteRefused(refused);
      return this.#end(seal, read, bearer, { refused });
    }
    this.#verified.push(() => submission.submit(readings as Exclude<typeof readings, Refused>, seal.length));
  }

  #submitVerified(): void {
    for (const submit of this.#verified.splice(0)) submit();
  }

  /** Of what was stored then the rows may be gone, and with them the ids by which a repeat is known. */
  #tooOld(times: readonly (number | null)[], clocks: readonly string[]): Refused | undefined {
    const { retainDays, now } = this.#parts;
    if (retainDays === 0) return undefined;
    const oldest = now() - retainDays * dayMs;
    const index = times.findIndex((time, at) => time !== null && time < oldest && clocks[at] !== 'unsynchronized');
    return index === -1 ? undefined : { reason: 'reading_past_retention', line: index + 1 };
  }

  #end(seal: Buffer, read: ReadSeal, bearer: Bearer, result: Submitted): void {
    if ('refused' in result) return this.#tell(seal, read, bearer, result.refused);
    const { acknowledged: readings, revision } = result;
    const at = this.#parts.ground.replica.revision;
    this.#settle(read, { seal: sealNameOf(seal), verdict: 'admitted', readings, revision }, { bearer, revision: at });
  }

  /** Its signer's reading is refused, or its carrier: then there is nothing to be said of the seal. */
  #tell(seal: Buffer, read: ReadSeal, bearer: Bearer, refused: Refused): void {
    if (refused.of === 'carrier') {
      this.#carrier ??= refused;
      return this.#settle(read, undefined);
    }
    this.#settle(read, this.#verdictOf(seal, refused, bearer));
  }

  #refuse(seal: Buffer, read: ReadSeal, refused: Refused): void {
    this.#note(refused, read);
    this.#settle(read, this.#verdictOf(seal, refused, this.#brought.carrier));
  }

  /** It is not what somebody sealed, or nobody can say. */
  #refuseSeal(seal: Buffer, read: ReadSeal | null, refused: Refused): void {
    this.#wrong++;
    this.#note(refused, read);
    this.#settle(read, this.#verdictOf(seal, refused, this.#brought.carrier));
  }

  #verdictOf(seal: Buffer, refused: Refused, of: Bearer): SealVerdict {
    return refusedVerdict(sealNameOf(seal), refused, of, this.#parts.ground.replica);
  }

  /** Under the carrier's name: whom the seal names has perhaps never heard of it. */
  #note({ reason, detail, ...refused }: Refused, read: ReadSeal | null): void {
    const { ground, verdicts } = this.#parts;
    const { carrier, stream } = this.#brought;
    const found = { signer: read?.thumbprint.toString('hex') ?? null, ...(detail !== undefined && { why: detail }) };
    const known = ground.policy.streams.has(stream) ? stream : null;
    const describeRefusal = () => describe({ ...refused, reason, found }, carrier, known, ground.replica);
    verdicts.refused(reason, carrier.name, known, 1, describeRefusal);
  }

  #settle(read: ReadSeal | null, verdict: SealVerdict | undefined, admitted?: Judged['admitted']): void {
    const thumbprint = read?.thumbprint.toString('hex') ?? null;
    if (verdict) this.#judged.push({ thumbprint, verdict, ...(admitted && { admitted }) });
    if (--this.#left === 0) this.#done({ judged: this.#judged, carrier: this.#carrier });
  }
}

/** As it is told to whom it concerns. */
export function refusedVerdict(seal: SealVerdict['seal'], refused: Refused, of: Bearer, replica: Replica): SealVerdict {
  const { type: _, status: __, reason, ...told } = toldOf(refused, of, replica);
  const { class: reasonClass } = reasons[reason as keyof typeof reasons];
  return { seal, verdict: 'refused', class: reasonClass, reason, ...told } as SealVerdict;
}

function otherStream(sealed: StreamName, brought: string): Refused {
  return {
    reason: 'seal_of_other_stream',
    detail: `it is for the stream "${sealed}", and was brought to "${brought}"`,
  };
}
