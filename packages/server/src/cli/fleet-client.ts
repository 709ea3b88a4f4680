import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  authoritiesOf,
  ChangeAnswer,
  counted,
  type DeskOutcome,
  type HoldView,
  PortcullisError,
  Problem,
  plain,
  plainJson,
  type Receipt,
} from '@portcullis/contract';
import {
  type Credential,
  exchange,
  Link,
  type LinkAnswer,
  parseAnswer,
  problemOf,
  readCredential,
} from '@portcullis/device/client';
import { z } from 'zod';
import { realSystem, timestamp } from '../telemetry/system.ts';
import { askOnce } from './ask-once.ts';
import { readAssignments, requireAssignments } from './assignments.ts';
import type { Output } from './output.ts';
import { type Asked, inTypedWords } from './wrong-words.ts';

export interface FleetOptions {
  fleet?: string;
  operator?: string;
}

export const directoryOf = (options: FleetOptions, given?: string): string => given ?? options.fleet ?? './fleet';

interface Shape<Value> {
  safeParse(value: unknown): { success: true; data: Value } | { success: false };
}

/** @throws {PortcullisError} `fleet_missing` */
export function operatorFileIn(directory: string): string {
  const file = join(directory, 'operator.json');
  if (existsSync(file)) return file;
  throw new PortcullisError(
    'fleet_missing',
    `"${directory}" holds no operator's credential; name the fleet with --fleet DIR`,
  );
}

/** An authority that stands by. */
export interface StandbyFound {
  authority: string;
  /** Why it would not lead though nobody did; null: it would. */
  against: string | null;
  /** By its clock; null: it did not say. */
  time: string | null;
}

/** An operator's way to the authority and, through it, to the gates. */
export class FleetClient {
  readonly credential: Credential;
  readonly #authority: Link;
  readonly #gates: Link;

  constructor(credential: Credential) {
    this.credential = credential;
    const trust = { roots: this.credential.roots, fleet: this.credential.fleet, credential: this.credential };
    this.#authority = new Link({ ...trust, role: 'authority', addresses: authoritiesOf(credential), follows: true });
    this.#gates = new Link({ ...trust, role: 'gate' });
  }

  async get<Value>(path: string, shape: Shape<Value>, timeoutMs?: number): Promise<Value> {
    return told({ path }, get(this.#authority, `${this.credential.authority}${path}`, shape, timeoutMs));
  }

  post<Value>(path: string, body: unknown, shape: Shape<Value>, timeoutMs?: number): Promise<Value> {
    const url = `${this.credential.authority}${path}`;
    return told({ path, body }, exchange(this.#authority, url, body, shape, timeoutMs));
  }

  /** A change that is made once, also where an answer is lost and another authority takes over. */
  change<Value>(path: string, body: unknown, shape: Shape<Value>, timeoutMs?: number): Promise<Value> {
    const url = `${this.credential.authority}${path}`;
    const isOneOfMany = authoritiesOf(this.credential).length > 1;
    const asked = { url, body: JSON.stringify(body), isOneOfMany, ...(timeoutMs !== undefined && { timeoutMs }) };
    return told(
      { path, body },
      askOnce(this.#authority, asked, realSystem).then((answer) => parsedBy(answer, url, shape)),
    );
  }

  /** Of the authority at this address, and of no other: undefined where it leads. @throws {PortcullisError} also where it can not be asked */
  async standbyAt(authority: string, timeoutMs: number): Promise<StandbyFound | undefined> {
    const { roots, fleet } = this.credential;
    const link = new Link({ roots, fleet, credential: this.credential, role: 'authority' });
    try {
      const answer = await link.request({ url: `${authority}/v1/status`, timeoutMs });
      if (answer.status === 200) return undefined;
      const failure = problemOf(answer);
      if (failure.code !== 'not_leader') throw failure;
      const { against = null } = Problem.parse(JSON.parse(answer.body.toString('utf8')));
      // RFC 9110 §6.6.1
      const said = Date.parse(String(answer.headers.date));
      return { authority, against, time: Number.isNaN(said) ? null : timestamp(said) };
    } finally {
      link.close();
    }
  }

  getFromGate<Value>(gate: string, path: string, shape: Shape<Value>, timeoutMs?: number): Promise<Value> {
    return told({ path }, get(this.#gates, `${gate}${path}`, shape, timeoutMs));
  }

  /** The answer as it came. */
  askGate(gate: string, path: string, headers: Record<string, string>, signal?: AbortSignal): Promise<LinkAnswer> {
    return this.#gates.request({ url: `${gate}${path}`, headers, ...(signal && { signal }) });
  }

  /** The lines of an answer that is told as it comes. */
  async *lines<Value>(path: string, shape: Shape<Value>, signal: AbortSignal): AsyncGenerator<Value> {
    const url = `${this.credential.authority}${path}`;
    const answer = await this.#authority.stream({ url, signal });
    if (answer.statusCode !== 200) {
      const { buffer } = await import('node:stream/consumers');
      const whole = { status: answer.statusCode ?? 0, headers: answer.headers, body: await buffer(answer) };
      throw inTypedWords(problemOf(whole), { path });
    }
    let rest = '';
    for await (const piece of answer.setEncoding('utf8') as AsyncIterable<string>) {
      const lines = (rest + piece).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const parsed = shape.safeParse(JSON.parse(line));
        if (!parsed.success) throw new PortcullisError('answer_malformed', `a line of ${url} does not fit its schema`);
        yield parsed.data;
      }
    }
  }

  async streamFromGate(gate: string, path: string, signal: AbortSignal) {
    return this.#gates.stream({ url: `${gate}${path}`, signal });
  }

  /** Every page of a list. */
  async *pages<Value>(path: string, item: z.ZodType<Value>): AsyncGenerator<Value> {
    const shape = z.object({ items: z.array(item), next: z.string().nullable() });
    for (let after: string | null = ''; after !== null; ) {
      const query: string = after === '' ? '' : `${path.includes('?') ? '&' : '?'}after=${encodeURIComponent(after)}`;
      const { items, next } = (await this.get(`${path}${query}`, shape)) as { items: Value[]; next: string | null };
      yield* items;
      after = next;
    }
  }

  close(): void {
    this.#authority.close();
    this.#gates.close();
  }
}

async function told<Value>(asked: Asked, answer: Promise<Value>): Promise<Value> {
  try {
    return await answer;
  } catch (error) {
    throw inTypedWords(error, asked);
  }
}

async function get<Value>(link: Link, url: string, shape: Shape<Value>, timeoutMs?: number): Promise<Value> {
  const answer = await link.request({ url, ...(timeoutMs !== undefined && { timeoutMs }) });
  return parsedBy(answer, url, shape);
}

function parsedBy<Value>(answer: LinkAnswer, url: string, shape: Shape<Value>): Value {
  if (answer.status !== 200) throw problemOf(answer);
  const parsed = shape.safeParse(parseAnswer(answer));
  if (parsed.success) return parsed.data;
  throw new PortcullisError('answer_malformed', `the answer of ${url} does not fit its schema`);
}

/** What is given of these, as the query of a path. */
export function queryOf(given: Record<string, string | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) if (value !== undefined) query.set(name, value);
  return query.size === 0 ? '' : `?${query}`;
}

export const isDue = ({ unconfirmed, renewAfter, certificate }: Credential, now: number): boolean =>
  unconfirmed === true || Date.parse(renewAfter) <= now || beginsLater(certificate, now);

/** It was made while a clock was ahead, and no server takes it. */
const beginsLater = (certificate: string, now: number) =>
  new X509Certificate(certificate).validFromDate.getTime() > now;

/** Words beside the result, on standard error. */
const notice = (words: string) => void process.stderr.write(`${plain(words)}\n`);

/** Opens a client, runs the work, and closes whatever happens. A credential that is due is renewed behind it; one that is not valid now, before. */
export async function withFleet(
  options: FleetOptions,
  work: (client: FleetClient) => Promise<void>,
  directory?: string,
): Promise<void> {
  const home = directoryOf(options, directory);
  const file = operatorFileIn(home);
  const held = readCredential(file);
  const now = realSystem.now();
  const isOver = Date.parse(held.notAfter) <= now || beginsLater(held.certificate, now);
  const due = isDue(held, now);
  const renewal = async () =>
    (await import('./operator-renewal.ts')).renewOperator({
      ...{ directory: home, file, credential: held, system: realSystem, notice },
    });
  const client = new FleetClient(due && isOver ? await renewal() : held);
  try {
    await work(client);
  } finally {
    client.close();
    if (due && !isOver) await renewal();
  }
}

export interface ChangeOptions extends FleetOptions {
  wait?: boolean;
  waitPublic?: boolean;
  waitLimit?: string;
  reason?: string;
  ifRevision?: string;
  ifValue?: string[];
}

export interface Prepared {
  body: Record<string, unknown>;
  /** What a program is told beside the answer. */
  told?: Record<string, unknown>;
}

/** For a body that depends on what the authority says first. */
export type Prepare = (client: FleetClient) => Promise<Prepared>;

const prepared = (body: Record<string, unknown> | Prepare, client: FleetClient): Prepared | Promise<Prepared> =>
  typeof body === 'function' ? body(client) : { body };

/** Sends a change; with `--wait`, waits for its receipt. An unconfirmed receipt is printed, and the status is 1. */
export async function sendChange(
  options: ChangeOptions,
  change: { path: string; body: Record<string, unknown> | Prepare; done: string | ((answer: ChangeAnswer) => string) },
  output: Output,
): Promise<void> {
  const { query, answerMs } = waitingOf(options);
  requireAssignments(options.ifValue ?? []);
  await withFleet(options, async (client) => {
    const { body, told } = await askedWith(options, change.body, { client, output });
    const answer = await client.change(`${change.path}${query}`, body, ChangeAnswer, answerMs);
    const done =
      typeof change.done === 'string' ? doneWords(change.done, answer, body.fingerprint) : change.done(answer);
    const result = { ...answer, ...told };
    const held = (answer.heldBy ?? []).map((hold) => `\n  ${heldWords(hold)}`).join('');
    if (!('confirmed' in answer)) return output.result(result, `${done} (revision ${answer.revision})${held}`);
    output.result(result, `${done}\n${receiptWords(answer)}${held}`);
    if (!answer.confirmed) output.status = 1;
  });
}

/** How long the receipt is waited for, and the answer. */
export function waitingOf({ wait, waitPublic, waitLimit = '30' }: ChangeOptions): { query: string; answerMs: number } {
  const limitMs = secondsOf(waitLimit) * 1000;
  const query = wait || waitPublic ? `?wait=${waitPublic ? 'public' : 'all'}&waitLimitMs=${limitMs}` : '';
  return { query, answerMs: limitMs + 30_000 };
}

/** The body with what every change may say: why, and on what condition. */
export async function askedWith(
  { reason, ifRevision, ifValue }: ChangeOptions,
  change: Record<string, unknown> | Prepare,
  { client, output }: { client: FleetClient; output: Output },
): Promise<Prepared> {
  const { body, told } = await prepared(change, client);
  const revision = ifRevision === undefined ? undefined : revisionOf(ifRevision);
  const ifValues = ifValue && { ifValues: (await readAssignments(ifValue, client, output)).values };
  return { body: { ...body, reason, ifRevision: revision, ...ifValues }, ...(told && { told }) };
}

/** What is in force whatever was set or resumed. */
export function heldWords({
  hold,
  subject,
  attribute,
  value,
  state,
  source,
  key,
  since,
  until,
  reason,
}: HoldView): string {
  const what = attribute === null ? 'suspended' : `at ${attribute}=${plainJson(value)}`;
  const how = { in_force: 'is held', beside: 'is also held', waiting: 'waits to be held' }[state];
  const end =
    until === 'person' ? 'until a person releases it' : `until ${until === 'resolved' ? 'it is resolved' : until}`;
  return `${subject} ${how} ${what} by ${source} (${key}) since ${since}, ${end}: ${reason} [${hold}]`;
}

/** What was so already is said to have been. */
function doneWords(done: string, { changed, certificates = [] }: ChangeAnswer, fingerprint: unknown): string {
  if (changed === 0) return `nothing changed: ${done} was so already`;
  const others = fingerprint === undefined ? [] : certificates.filter((one) => one !== fingerprint);
  return others.length === 0 ? done : `${done}, and what was renewed from it: ${others.join(', ')}`;
}

const deskWords: Record<DeskOutcome['outcome'], string> = {
  applied: 'tells strangers by it',
  not_applied: 'told strangers by what was before when the time was over',
  silent: 'was not heard of; it answers by what was before for an hour at most',
  tells_nothing: 'tells strangers nothing',
};

/** `desks`: those that were waited for too. */
export function receiptWords(receipt: Receipt & { desks?: DeskOutcome[] | undefined }): string {
  const { revision, confirmed, elapsedMs, gates, connectionsClosed, advised = [], desks = [] } = receipt;
  const what = confirmed ? 'in force at every gate that could decide' : 'NOT confirmed within the limit';
  const lines = gates.map(
    ({ gate, outcome, ms }) => `  ${gate}: ${outcome}${outcome === 'no_lease' || ms === null ? '' : ` after ${ms} ms`}`,
  );
  const figures = [
    ...(elapsedMs === null ? [] : [`${elapsedMs} ms`]),
    ...(connectionsClosed === null ? [] : [`${counted(connectionsClosed, 'connection')} closed`]),
  ];
  const asks = advised.map(
    ({ gate, asker }) => `  ${asker ?? 'a proxy on its machine'} asks ${gate}: told, not confirmed`,
  );
  const told = desks.map(
    ({ desk, outcome, ms }) => `  ${desk}: ${deskWords[outcome]}${ms === null ? '' : ` after ${ms} ms`}`,
  );
  return [[`revision ${revision}: ${what}`, ...figures].join(', '), ...lines, ...asks, ...told].join('\n');
}

export function revisionOf(text: string): number {
  const revision = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(revision)) return revision;
  throw new PortcullisError('usage', `"${text}" is not the number of a revision`);
}

export function secondsOf(text: string): number {
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds >= 0 && seconds <= 600) return seconds;
  throw new PortcullisError('usage', `"${text}" is not a number of seconds from 0 to 600`);
}
