import type { SinkRequest } from '../../storage/sink.ts';
import { type Log, timestamp } from '../../telemetry/telemetry.ts';
import { admit, type Ground, type Incoming, judge, type Refused } from '../admission/admit.ts';
import { describe } from '../admission/explain.ts';
import { JudgedData } from '../admission/judged-data.ts';
import type { Bearer } from '../connections/bearer.ts';
import type { Connection } from '../connections/connections.ts';
import type { Stream } from '../policy/policy.ts';
import type { Recorded } from '../recording/recording.ts';
import type { Verdicts } from '../recording/verdicts.ts';
import type { Watching } from '../watching/watching.ts';
import type { Readings } from './readings.ts';

export interface SubmissionParts {
  ground: Ground;
  verdicts: Verdicts;
  watching: Pick<Watching, 'watchedOf' | 'refusedOn'>;
  /** Hears by what readings were admitted that came over connections of their senders. */
  uses: { note(connection: Connection): void };
  log: Log;
  now(): number;
}

export type Submitted = { acknowledged: number; ids: string[]; revision: number } | { refused: Refused };

/** Who sends what where: over a connection of his own, or sealed over that of a carrier. */
export type Sender = { bearer: Connection; carrier?: undefined } | { bearer: Bearer; carrier: Connection };

/**
 * Readings of one subject for one stream, all or nothing, from the first look at whose they are to their verdict: what every listener hands
 * over, whatever is spoken over it.
 */
export class Submission implements Incoming {
  readonly bearer: Bearer;
  readonly carrier: Connection | undefined;
  readonly connection: Connection;
  data: readonly Record<string, unknown>[] = [];
  readonly judged = new JudgedData();
  request!: SinkRequest;
  readings = 0;
  bytes = 0;
  /** Names it in the log, beside the ids of its readings; undefined: it came over what has no such name. */
  traceId: string | undefined;
  readonly #parts: SubmissionParts;
  readonly #stream: string;
  readonly #done: (result: Submitted) => void;

  /** `done` is called once for each time that it is submitted. */
  constructor(parts: SubmissionParts, sender: Sender, stream: string, done: (result: Submitted) => void) {
    this.#parts = parts;
    this.#stream = stream;
    this.#done = done;
    this.bearer = sender.bearer;
    this.carrier = sender.carrier;
    this.connection = sender.carrier ?? sender.bearer;
  }

  /** As the policy has it now: it may change while readings are under way. */
  get stream(): Stream | undefined {
    return this.#parts.ground.policy.streams.get(this.#stream);
  }

  /** Before anything is read: may its sender send there at all? */
  judge(): Refused | undefined {
    return judge(this, this.#parts.ground);
  }

  /** `bytes`: of all of them as they came. */
  submit({ data, texts, ids, given, deviceTimes, clocks, sequences, runs }: Readings, bytes: number): void {
    const { ground, now } = this.#parts;
    this.bearer.rowIn(ground.replica);
    this.data = data;
    [this.readings, this.bytes] = [data.length, bytes];
    const { subjectId: subject, name: certificate } = this.bearer;
    const { carrier } = this;
    this.request = {
      ...{ subject, certificate, stream: this.#stream, receivedAt: now() },
      ...{ policy: ground.policy.number, revision: ground.replica.revision },
      ...{ carriedBy: carrier?.subjectId ?? null, sealed: carrier !== undefined },
      ...{ ids, given, deviceTimes, clocks, sequences, runs, data: texts, watched: [] },
    };
    const refused = admit(this, ground);
    if (refused) this.answer({ refused });
  }

  beforeCommit(): void {
    this.request.watched = this.#parts.watching.watchedOf(this.bearer, this.#stream, this.data);
  }

  judgeAgain(): Refused | undefined {
    const { ground } = this.#parts;
    this.request.revision = ground.replica.revision;
    this.request.policy = ground.policy.number;
    return judge(this, ground);
  }

  answer(result: Recorded): void {
    if ('refused' in result) return this.#refused(result.refused);
    if ('reused' in result.outcome) {
      const line = result.outcome.reused + 1;
      return this.#refused({ reason: 'reading_id_reused', ...(this.readings > 1 && { line }) });
    }
    const { ids, revision, subject } = this.request;
    this.#parts.verdicts.admitted(this.bearer.name, subject, this.#stream, revision, this.readings);
    if (!this.carrier) this.#parts.uses.note(this.connection);
    this.#trace('readings are stored', () => ({ receivedAt: timestamp(this.request.receivedAt), revision }));
    this.#done({ acknowledged: this.readings, ids, revision });
  }

  #refused(refused: Refused): void {
    this.noteRefused(refused);
    this.#done({ refused });
  }

  /** Counts, tells and keeps the refusal; also of what never came to be submitted. */
  noteRefused(refused: Refused): void {
    const { ground, verdicts, watching, now } = this.#parts;
    const { replica } = ground;
    const bearer = refused.of === 'carrier' && this.carrier ? this.carrier : this.bearer;
    verdicts.sightings.note(bearer.subjectId, { at: now(), verdict: 'refused' });
    const stream = this.stream ? this.#stream : null;
    if (stream !== null) watching.refusedOn(stream, bearer.subjectId, refused.reason);
    const { reason, line, detail } = refused;
    this.#trace('readings are refused', () => ({ reason, line, detail, revision: replica.revision }));
    const describeRefusal = () => describe(refused, bearer, this.#stream, replica);
    verdicts.refused(refused.reason, bearer.name, stream, Math.max(1, this.readings), describeRefusal);
  }

  /** Subject, stream and id are the row's own key: by them a line of this log, one of the device's and a row are found from each other. */
  #trace(what: string, more: () => Record<string, unknown>): void {
    const { log } = this.#parts;
    if (!log.isLevelEnabled('debug')) return;
    const { subjectId: subject, name: certificate } = this.bearer;
    const ids = this.request?.ids ?? [];
    const { traceId, readings } = this;
    const known = { traceId, subject, stream: this.#stream, certificate, readings, first: ids[0], last: ids.at(-1) };
    log.debug({ ...known, ...more() }, what);
  }
}
