import type { CutMessage, Fingerprint, SubjectId } from '@portcullis/contract';
import { type Ground, isAdmissible, judgeWithoutLease } from '../../admission/admit.ts';
import { Bearer } from '../../connections/bearer.ts';
import type { Exchange, Outgoing } from '../http/transport.ts';

const beatMs = 1_000;
/** Who takes nothing for so long is cut off himself. */
const unreadMsMax = 10_000;
const unreadBytesMax = 65_536;
/** Some milliseconds of work. */
const toldPerTurn = 1_000;
/** Of so many touched subjects it is remembered that they are to be told of; beyond, the list is told anew. */
const touchedMax = 10_000;
/** In place of a subject: nothing of the list was told. */
const beforeAll = -1;

/** Who follows the cuts of a gate: each by a way of his own through the replica, and nothing is kept of what was told. */
export class Cuts {
  readonly #followers = new Set<CutsExchange>();

  get size(): number {
    return this.#followers.size;
  }

  follow(exchange: CutsExchange): () => void {
    this.#followers.add(exchange);
    return () => this.#followers.delete(exchange);
  }

  changed(subjects: readonly number[]): void {
    for (const follower of this.#followers) follower.touch(subjects);
  }

  /** Another policy, or a snapshot: rows are others. */
  allChanged(): void {
    for (const follower of this.#followers) follower.begin();
  }
}

interface Parts {
  ground: Ground;
  cuts: Cuts;
  /** Undefined: of certificates that no stream admits. */
  stream: string | undefined;
  monotonic(): number;
  /** Nothing more is told. */
  onEnd(exchange: CutsExchange): void;
}

/** `GET /v1/cuts`: the list of all that are cut, and from then on how each certificate stands whose subject was touched. */
export class CutsExchange implements Exchange {
  readonly #parts: Parts;
  readonly #response: Outgoing;
  /** From which subject on the list goes on; undefined: it was told. */
  #next: number | undefined;
  #touched = new Set<number>();
  #unreadSince: number | undefined;
  #pumping = false;
  #beats: NodeJS.Timeout | undefined;
  #stop: () => void = () => undefined;

  constructor(parts: Parts, response: Outgoing) {
    this.#parts = parts;
    this.#response = response;
  }

  start(): void {
    this.#stop = this.#parts.cuts.follow(this);
    this.#response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    this.#response.on('drain', () => this.#drained());
    this.#response.once('close', () => this.gone());
    this.#beats = setInterval(() => this.#beat(), beatMs).unref();
    this.begin();
    this.#beat();
  }

  begin(): void {
    this.#touched.clear();
    this.#next = beforeAll;
    this.#pump();
  }

  touch(subjects: readonly number[]): void {
    if (this.#touched.size + subjects.length > touchedMax) return this.begin();
    for (const subject of subjects) this.#touched.add(subject);
    this.#pump();
  }

  cut(): void {
    this.gone();
    this.#response.destroy();
  }

  gone(): void {
    clearInterval(this.#beats);
    this.#stop();
    this.#parts.onEnd(this);
  }

  /** Never within the change itself: the report of a gate does not wait for who listens. */
  #pump(): void {
    if (this.#pumping || this.#unreadSince !== undefined) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      if (this.#response.destroyed) return;
      this.#tellSome();
      if (this.#touched.size > 0 || this.#next !== undefined) this.#pump();
    });
  }

  /** What was touched comes first: a cut does not wait for the end of a long list. */
  #tellSome(): void {
    const { replica } = this.#parts.ground;
    let left = toldPerTurn;
    if (this.#next === beforeAll) {
      this.#next = 0;
      this.#write({ type: 'list', revision: replica.revision });
    }
    for (const subject of this.#touched) {
      if (left-- === 0 || this.#unreadSince !== undefined) return;
      this.#touched.delete(subject);
      this.#tell(subject, true);
    }
    for (; this.#next !== undefined && left > 0 && this.#unreadSince === undefined; left--) {
      if (this.#next < replica.subjects) this.#tell(this.#next++, false);
      else this.#complete(replica.revision);
    }
  }

  #complete(revision: number): void {
    this.#next = undefined;
    this.#write({ type: 'complete', revision });
  }

  #tell(subject: number, both: boolean): void {
    const { replica, validityTime } = this.#parts.ground;
    const now = validityTime();
    const id = replica.subjectId(subject) as SubjectId;
    for (const row of replica.certificatesOf(subject)) {
      if (now < replica.notBeforeOf(row) || now > replica.notAfterOf(row)) continue;
      const certificate = replica.fingerprintOf(row) as Fingerprint;
      const isCut = this.#isCut(new Bearer(Buffer.from(certificate, 'hex')));
      const told = { certificate, subject: id, revision: replica.revision };
      if (isCut || both) this.#write({ type: isCut ? 'cut' : 'admitted', ...told });
    }
  }

  #isCut(bearer: Bearer): boolean {
    const { ground, stream: name } = this.#parts;
    if (name === undefined) return !isAdmissible(bearer, ground);
    const stream = ground.policy.streams.get(name);
    return judgeWithoutLease({ bearer, stream, data: [] }, ground) !== undefined;
  }

  #beat(): void {
    const { ground, monotonic } = this.#parts;
    const isUnread = this.#unreadSince !== undefined;
    if (isUnread && monotonic() - (this.#unreadSince as number) > unreadMsMax) return this.cut();
    if (!isUnread) this.#write({ type: 'beat', revision: ground.replica.revision, lease: ground.lease.holds() });
  }

  #write(message: CutMessage): void {
    this.#response.write(`${JSON.stringify(message)}\n`);
    if (this.#response.writableLength > unreadBytesMax) this.#unreadSince ??= this.#parts.monotonic();
  }

  #drained(): void {
    this.#unreadSince = undefined;
    this.#pump();
  }
}
