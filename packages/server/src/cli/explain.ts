import {
  ChangeView,
  type HoldView,
  plainJson,
  ReasonCode,
  readFingerprint,
  SubjectView,
  VerdictView,
} from '@portcullis/contract';
import { Spare } from '@portcullis/device/client';
import type { Command } from 'commander';
import { z } from 'zod';
import { type Asked, askGates, gatesOf } from './ask-gates.ts';
import { type FleetClient, type FleetOptions, heldWords, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';
import type { Column } from './table.ts';

const Verdicts = z.object({ items: z.array(VerdictView) });

/** A verdict with the words of whoever made the change behind it. */
type Explained = VerdictView & { changeReason: string | null; heldBy?: HoldView[] };

/** The same verdict, and the gates that gave it. */
interface Told extends Explained {
  gates: string[];
}

export function explainCommand(program: Command, output: Output): void {
  program
    .command('explain')
    .argument('<subject|fingerprint>')
    .option('--stream <stream>', 'on this stream alone')
    .description('what the gates would decide now, and why')
    .action(async (name: string, options: FleetOptions & { stream?: string }) => {
      const fingerprint = readFingerprint(name);
      const query = new URLSearchParams(fingerprint ? { certificate: fingerprint } : { subject: name });
      if (options.stream !== undefined) query.set('stream', options.stream);
      await withFleet(options, async (client) => {
        const gates = await gatesOf(client);
        const asked = await askGates(gates, ({ url }) => client.getFromGate(url, `/v1/explain?${query}`, Verdicts));
        const [{ error } = {}] = asked.failures;
        if (error && asked.answers.length === 0) throw error;
        await tell(client, asked.answers, { name, output });
        for (const { gate, error: why } of asked.failures) fail(output, `${gate} can not say: ${why.message}`);
      });
    });
}

async function tell(
  client: FleetClient,
  answers: Asked<z.infer<typeof Verdicts>>['answers'],
  { name, output }: { name: string; output: Output },
): Promise<void> {
  for (const { gate, value } of answers) {
    if (value.items.length === 0) fail(output, `${gate}: "${name}" has no certificate that could connect`);
  }
  const verdicts = answers.flatMap(({ value }) => value.items);
  const unknown = verdicts.find(({ reason }) => reason === 'stream_unknown');
  if (unknown) fail(output, `${unknown.gate} has no stream "${unknown.stream}"`);
  const reasons = await reasonsOf(client, verdicts);
  const holds = await holdsOf(client, verdicts);
  const explained = verdicts.map((one) => {
    const heldBy = holds.filter(({ subject }) => subject === one.subject);
    return { ...one, changeReason: reasons.get(reasonKey(one)) ?? null, ...(heldBy.length > 0 && { heldBy }) };
  });
  if (output.json) await output.list(explained, { columns: [] });
  else {
    await output.list(together(explained), explainListing);
    for (const hold of holds) output.notice(heldWords(hold));
  }
}

/** What is missing from the answer is said, and the status tells it. */
function fail(output: Output, words: string): void {
  output.notice(words);
  output.status = 1;
}

const reasonKey = ({ changedBy, revision }: VerdictView) => (changedBy === null ? undefined : revision);

/** Gates know who made a change and when; why, the authority's journal has. */
async function reasonsOf(
  client: FleetClient,
  verdicts: VerdictView[],
): Promise<Map<number | undefined, string | null>> {
  const revisions = new Set(verdicts.map(reasonKey).filter((revision) => revision !== undefined));
  // An authority of version 0.1.0 answers with all that it knows of the change.
  const spare = new Spare('subjects');
  const found = [...revisions].map(async (revision) => {
    const { reason } = await spare.ask((lacking) =>
      client.get(`/v1/changes/${revision}${lacking.has('subjects') ? '' : '?subjects=none'}`, ChangeView),
    );
    return [revision, reason] as const;
  });
  return new Map(await Promise.all(found));
}

/** Who was refused may be held: by which source, since when. */
async function holdsOf(client: FleetClient, verdicts: readonly VerdictView[]): Promise<HoldView[]> {
  const refused = verdicts.flatMap(({ verdict, subject }) =>
    verdict === 'refused' && subject !== null ? subject : [],
  );
  const found = [...new Set(refused)].map(async (subject) => {
    const { heldBy = [] } = await client.get(`/v1/subjects/${subject}`, SubjectView);
    return heldBy.filter(({ state }) => state !== 'waiting');
  });
  return (await Promise.all(found)).flat();
}

/** Gates that say the same share a line; where they differ, each speaks for itself. */
function together(verdicts: Explained[]): Told[] {
  const told = new Map<string, Told>();
  for (const one of verdicts) {
    const { at: _at, gate, ...said } = one;
    const key = JSON.stringify(said);
    const known = told.get(key);
    if (known) known.gates.push(gate);
    else told.set(key, { ...one, gates: [gate] });
  }
  return [...told.values()];
}

const who: Column<VerdictView> = {
  title: 'SUBJECT',
  priority: 2,
  usual: 16,
  value: ({ subject, several }) => subject ?? (several ? 'several' : 'nobody we know'),
};
const stream: Column<VerdictView> = { title: 'STREAM', priority: 2, usual: 12, value: (one) => one.stream };
const verdict: Column<VerdictView> = {
  title: 'VERDICT',
  priority: 1,
  usual: 8,
  value: (one) => one.verdict,
  colour: (one) => (one.verdict === 'admitted' ? 'green' : 'red'),
};
const why: Column<VerdictView> = { title: 'WHY', priority: 1, usual: 80, least: 16, value: whyOf };

function whyOf({ verdict: said, reason, expected, found, revision, changedAt, changedBy }: VerdictView): string {
  if (said === 'admitted') return '';
  const told = expected === null ? '' : ` expected ${plainJson(expected)}, found ${plainJson(found)}`;
  const by = changedBy === null ? '' : ` (revision ${revision}, ${changedAt} by ${changedBy})`;
  return `${reason}${told}${by}`;
}

/** Why is what was asked: it is never cut. */
const explainListing: Listing<Told> = {
  columns: [
    who,
    stream,
    { title: 'GATE', priority: 1, value: ({ gates }) => gates.join(', ') },
    verdict,
    {
      title: 'WHY',
      priority: 1,
      value: (one) => `${whyOf(one)}${one.changeReason === null ? '' : `: ${one.changeReason}`}`,
    },
  ],
};

/** A reason's code is never cut: the longest has so many characters. */
const reasonLength = Math.max(...ReasonCode.options.map((code) => code.length));

/** They happen now: the day is known. */
export const watchListing: Listing<VerdictView> = {
  columns: [
    { title: 'UTC', priority: 1, usual: 12, value: ({ at }) => at.slice('2026-01-01T'.length, -1) },
    { title: 'GATE', priority: 3, usual: 8, value: ({ gate }) => gate },
    who,
    { ...stream, priority: 3 },
    verdict,
    { title: 'TIMES', priority: 4, usual: 5, align: 'right', value: ({ count }) => count },
    { ...why, least: reasonLength },
  ],
};
