import { CertificateView, ChangeAnswer, GateCut, PortcullisError, type Standing } from '@portcullis/contract';
import { askGates, type Gate, knownGates } from './ask-gates.ts';
import { type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';

export interface ForgottenOptions extends FleetOptions {
  repeat?: boolean;
  reason?: string;
}

type Known = GateCut['items'][number];

/** `here`: as the authority has it; `unknown` is refused everywhere as it is. */
type Forgotten = Known & { gate: string; here: Standing | 'unknown' };

const answerMs = 10_000;

/** Gates are believed in what they say is cut: who lies here can cut, and let in nobody. */
export async function forgotten({ repeat, reason, ...options }: ForgottenOptions, output: Output): Promise<void> {
  await withFleet(options, async (client) => {
    const found = await lookFor(client, output);
    if (repeat) for (const one of found.filter(isWorse)) await cutAgain(client, one, reason);
    await output.list(found, listing(repeat === true));
    if (!repeat && found.some(isWorse)) output.status = 1;
  });
}

/** What would be let in here and was not there. */
const isWorse = ({ here, standing }: Forgotten) => here === 'valid' || (here === 'suspended' && standing === 'revoked');

async function lookFor(client: FleetClient, output: Output): Promise<Forgotten[]> {
  const gates = await knownGates(client);
  const { answers, failures } = await askGates(gates, (gate) => cutAt(client, gate));
  for (const { gate, error } of failures) output.notice(`${gate} was not asked: ${error.message}`);
  const worst = new Map<string, Known & { gate: string }>();
  for (const { gate, value } of answers)
    for (const one of value)
      if (worst.get(one.fingerprint)?.standing !== 'revoked') worst.set(one.fingerprint, { ...one, gate });
  const found: Forgotten[] = [];
  for (const one of worst.values()) {
    const here = await standingHere(client, one);
    if (here !== undefined) found.push({ ...one, here });
  }
  return found.toSorted((one, other) => one.revision - other.revision);
}

async function cutAt(client: FleetClient, { url }: Gate): Promise<Known[]> {
  const known: Known[] = [];
  for (let from: number | null = 0; from !== null; ) {
    const page: GateCut = await client.getFromGate(url, `/v1/cut?from=${from}`, GateCut, answerMs);
    known.push(...page.items);
    from = page.next;
  }
  return known;
}

/** Undefined: it is no less cut here, or was changed here since, which a gate that is behind does not know. */
async function standingHere(client: FleetClient, known: Known): Promise<Forgotten['here'] | undefined> {
  try {
    const { standing, revision } = await client.get(`/v1/certificates/${known.fingerprint}`, CertificateView);
    const isNoLess = standing === known.standing || standing === 'revoked' || standing === 'superseded';
    return isNoLess || revision > known.revision ? undefined : standing;
  } catch (error) {
    if (error instanceof PortcullisError && error.code === 'certificate_unknown') return 'unknown';
    throw error;
  }
}

async function cutAgain(client: FleetClient, one: Forgotten, given: string | undefined): Promise<void> {
  const reason = given ?? `${one.gate} knew of it: ${one.standing} by ${one.changedBy} at ${one.changedAt}`;
  const action = one.standing === 'revoked' ? 'revoke' : 'suspend';
  await client.change('/v1/standings', { action, fingerprint: one.fingerprint, reason }, ChangeAnswer);
}

const listing = (isRepeated: boolean): Listing<Forgotten> => ({
  columns: [
    { title: 'FINGERPRINT', priority: 1, value: ({ fingerprint }) => fingerprint.slice(0, 16) },
    { title: 'SUBJECT', priority: 1, value: ({ subject }) => subject },
    { title: 'GATE KNEW', priority: 1, value: ({ gate, standing }) => `${gate}: ${standing}` },
    { title: isRepeated ? 'WAS HERE' : 'HERE', priority: 1, value: ({ here }) => here },
    { title: 'SINCE', priority: 3, value: ({ changedAt }) => changedAt },
    { title: 'BY', priority: 2, value: ({ changedBy }) => changedBy },
  ],
  none: 'no gate that could be asked knows of a cut that this authority does not',
});
