import {
  ChangeAnswer,
  counted,
  PortcullisError,
  SelectionLine,
  type Trial,
  TrialAnswer,
  triedPerRequestMax,
} from '@portcullis/contract';
import { askGates, type Gate, knownGates } from './ask-gates.ts';
import { requireAssignments } from './assignments.ts';
import {
  askedWith,
  type ChangeOptions,
  type FleetClient,
  type Prepare,
  receiptWords,
  sendChange,
  waitingOf,
  withFleet,
} from './fleet-client.ts';
import type { Output } from './output.ts';
import { namesOf } from './subjects-of.ts';

export interface ManyOptions extends ChangeOptions {
  where?: string;
  dryRun?: boolean;
}

/** A change of subjects that are named, or of those that an expression is true of. */
export interface ChangeOfMany {
  path: string;
  /** Without the subjects. */
  body: Record<string, unknown> | Prepare;
  /** Who is named; undefined: `--where` says. */
  subjects: readonly string[] | undefined;
  /** So many go into one request: more are several changes, each with a revision of its own. */
  perRequest: number;
  /** What gates are asked about in a dry run; undefined: it lets nobody out. */
  trialOf(body: Record<string, unknown>): Trial | undefined;
  done(who: string): string;
  /** What `changed` counts. */
  counts: 'subject' | 'record';
}

interface Selected {
  /** What it was read at; undefined: they were named. */
  revision: number | undefined;
  subjects: string[];
  looked: number;
  undecided: number;
  example: { subject: string; why: string } | null;
}

/** How often a selection is made anew when somebody it found was touched before the change. */
const triesMax = 3;
/** A request's target stays well below what a gate takes of headers. */
const namesLengthMax = 5_000;
const gateMs = 30_000;

export async function sendToMany(options: ManyOptions, change: ChangeOfMany, output: Output): Promise<void> {
  const { where, dryRun } = options;
  if ((where === undefined) === (change.subjects === undefined)) {
    throw new PortcullisError('usage', 'name subjects, or give --where with an expression; do one of them');
  }
  const { subjects } = change;
  if (subjects && subjects.length <= change.perRequest && !dryRun) {
    const whose = { ...change, body: withSubjects(change.body, subjects), done: change.done(namesOf(subjects)) };
    return sendChange(options, whose, output);
  }
  if (where !== undefined && options.ifRevision !== undefined) {
    throw new PortcullisError('usage', '--where has a revision of its own; leave --if-revision out');
  }
  requireAssignments(options.ifValue ?? []);
  await withFleet(options, async (client) => {
    const selected = await selectedBy(client, where, change, output);
    if (dryRun) return rehearse(client, options, { ...change, selected }, output);
    await commit(client, options, { ...change, selected }, output);
  });
}

type Chosen = ChangeOfMany & { selected: Selected };

function withSubjects(body: ChangeOfMany['body'], subjects: readonly string[]): Prepare {
  return async (client) => {
    const { body: whole, told } = typeof body === 'function' ? await body(client) : { body };
    return { body: { ...whole, subjects }, ...(told && { told }) };
  };
}

async function selectedBy(
  client: FleetClient,
  where: string | undefined,
  { subjects = [] }: ChangeOfMany,
  output: Output,
): Promise<Selected> {
  if (where !== undefined) return select(client, where, output);
  return { revision: undefined, subjects: [...subjects], looked: subjects.length, undecided: 0, example: null };
}

/** @throws {PortcullisError} as the authority says */
async function select(client: FleetClient, where: string, output: Output): Promise<Selected> {
  const path = `/v1/selections?where=${encodeURIComponent(where)}`;
  const subjects: string[] = [];
  const stop = new AbortController();
  let end: Extract<SelectionLine, { type: 'selected' }> | undefined;
  try {
    for await (const line of client.lines(path, SelectionLine, stop.signal)) {
      if (line.type === 'subjects') subjects.push(...line.subjects);
      if (line.type === 'progress') output.progress(`looked at ${line.looked} subjects, ${subjects.length} selected`);
      if (line.type === 'failed') throw new PortcullisError(line.code, line.detail);
      if (line.type === 'selected') end = line;
    }
  } finally {
    output.progress('');
    stop.abort();
  }
  if (end) return { ...end, subjects };
  throw new PortcullisError('server_unreachable', 'the selection broke off; nothing was changed');
}

/** On condition that nobody it found was touched meanwhile; else it is found anew. */
export async function commit(client: FleetClient, options: ManyOptions, change: Chosen, output: Output): Promise<void> {
  const { where, ifValue } = options;
  const answers: ChangeAnswer[] = [];
  for (let tries = 1; ; tries++) {
    try {
      return await commitOnce(client, options, { ...change, answers }, output);
    } catch (error) {
      const isTouched = error instanceof PortcullisError && error.code === 'precondition_failed';
      if (!isTouched || where === undefined || ifValue) throw afterOthers(error, answers);
      if (tries === triesMax) throw touched(error, answers);
      change.selected = await select(client, where, output).catch((why) => Promise.reject(afterOthers(why, answers)));
    }
  }
}

function touched(cause: PortcullisError, made: readonly ChangeAnswer[]): unknown {
  const why = `selected ${triesMax} times, and each time somebody was changed before the change: ${cause.message}`;
  return afterOthers(new PortcullisError('precondition_failed', why, { cause }), made);
}

/** Of several changes some may have been made, whatever kept the others from it. */
function afterOthers(error: unknown, made: readonly ChangeAnswer[]): unknown {
  if (made.length === 0 || !(error instanceof PortcullisError)) return error;
  const revisions = made.map(({ revision }) => revision).join(', ');
  const { code, detail, message } = error;
  const why = `${message} (before that, there were changes: revisions [${revisions}])`;
  return new PortcullisError(code, why, { cause: error, detail });
}

/** `answers`: of the changes that were made, also of those before it was selected anew. */
async function commitOnce(
  client: FleetClient,
  options: ManyOptions,
  change: Chosen & { answers: ChangeAnswer[] },
  output: Output,
): Promise<void> {
  const { selected, path, perRequest, answers } = change;
  const { query, answerMs } = waitingOf(options);
  const seen = seenOf(selected);
  for (const words of undecidedWords(selected)) output.notice(words);
  if (selected.subjects.length === 0 && answers.length === 0) {
    return output.result({ changed: 0, ...seen }, `nothing changed: no subject is selected of ${selected.looked}`);
  }
  const { body, told } = await askedWith(options, change.body, { client, output });
  for (let from = 0; from < selected.subjects.length; from += perRequest) {
    const subjects = selected.subjects.slice(from, from + perRequest);
    const asked = { ...body, subjects, ...(selected.revision !== undefined && { ifRevision: selected.revision }) };
    answers.push(await client.change(`${path}${query}`, asked, ChangeAnswer, answerMs));
  }
  const last = answers.at(-1) as ChangeAnswer;
  const changed = answers.reduce((sum, answer) => sum + (answer.changed ?? 0), 0);
  const revisions = answers.length > 1 ? { revisions: answers.map(({ revision }) => revision) } : {};
  const who = counted(selected.subjects.length, 'subject');
  const done = `${change.done(who)}: ${counted(changed, change.counts)} changed`;
  const result = { ...last, changed, ...seen, ...revisions, ...told };
  // A receipt is for all revisions up to its own.
  output.result(result, `${done}\n${'confirmed' in last ? receiptWords(last) : `(revision ${last.revision})`}`);
  if ('confirmed' in last && !last.confirmed) output.status = 1;
}

const seenOf = ({ subjects, looked, undecided }: Selected) => ({ selected: subjects.length, looked, undecided });

function undecidedWords({ undecided, example }: Selected): string[] {
  if (undecided === 0 || !example) return [];
  const others = undecided === 1 ? '' : ` (and of ${undecided - 1} more)`;
  return [`of "${example.subject}"${others} the expression says neither, so it is not selected: ${example.why}`];
}

export async function rehearse(
  client: FleetClient,
  options: ManyOptions,
  change: Chosen,
  output: Output,
): Promise<void> {
  const { selected, path, perRequest } = change;
  for (const words of undecidedWords(selected)) output.notice(words);
  const { body } = await askedWith(options, change.body, { client, output });
  let changed = 0;
  for (let from = 0; from < selected.subjects.length; from += perRequest) {
    const asked = { ...body, subjects: selected.subjects.slice(from, from + perRequest), dryRun: true };
    changed += (await client.post(path, asked, ChangeAnswer, 600_000)).changed ?? 0;
  }
  const trial = change.trialOf(body);
  const tried = trial && changed > 0 ? await tryAtGates(client, selected.subjects, trial) : { gates: [], failures: [] };
  const connections = tried.gates.reduce((sum, one) => sum + one.connections, 0);
  const told = { dryRun: true, ...seenOf(selected), changed, connections, ...tried };
  const at = tried.gates.map((one) => `${one.gate} ${one.connections}`).join(', ');
  const closed = `would close ${counted(connections, 'connection')}${at === '' ? '' : ` (${at})`}`;
  const of = `of the ${selected.subjects.length} that ${options.where === undefined ? 'are named' : 'it selects'}`;
  const words = `would change ${counted(changed, change.counts)} ${of}, and ${closed}; nothing was changed`;
  output.result(told, words);
  for (const { gate, why } of tried.failures) {
    output.notice(`${gate} can not say: ${why}`);
    output.status = 1;
  }
}

interface Tried {
  gates: { gate: string; connections: number }[];
  failures: { gate: string; why: string }[];
}

async function tryAtGates(client: FleetClient, subjects: readonly string[], trial: Trial): Promise<Tried> {
  const gates = await knownGates(client);
  const asked = await askGates(gates, (gate) => tryAt(client, gate, subjects, trial));
  return {
    gates: asked.answers.map(({ gate, value }) => ({ gate, connections: value })),
    failures: asked.failures.map(({ gate, error }) => ({ gate, why: error.message })),
  };
}

async function tryAt(client: FleetClient, { url }: Gate, subjects: readonly string[], trial: Trial): Promise<number> {
  let connections = 0;
  for (const some of requestsOf(subjects)) {
    const path = `/v1/trials?subjects=${some.join(',')}&trial=${encodeURIComponent(JSON.stringify(trial))}`;
    connections += (await client.getFromGate(url, path, TrialAnswer, gateMs)).connections;
  }
  return connections;
}

function* requestsOf(subjects: readonly string[]): Iterable<string[]> {
  let some: string[] = [];
  let length = 0;
  for (const subject of subjects) {
    if (some.length === triedPerRequestMax || length + subject.length >= namesLengthMax) {
      yield some;
      [some, length] = [[], 0];
    }
    some.push(subject);
    length += subject.length + 1;
  }
  if (some.length > 0) yield some;
}
