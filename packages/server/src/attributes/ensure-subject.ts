import { type AttributeType, type AttributeValue, type Kind, PortcullisError } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Ruled } from './change.ts';
import { requireTypes } from './types.ts';
import { writeValues } from './write-values.ts';

export interface NewSubject {
  subject: string;
  kind: Kind;
  attributes: Record<string, AttributeValue>;
  /** For a gate: the names and addresses of its server certificate. */
  hosts?: string[] | undefined;
  /** Of a new gate: the attributes that it may ask of the feed. Without it, any. */
  reads?: string[] | undefined;
  /** A gate of `init`: it stands beside the authority, and has the names that the fleet's file says. */
  beside?: boolean | undefined;
  /** Of an operator: it changes nothing, for life. */
  readOnly?: boolean | undefined;
}

/** What became of it: its names are told where they are other than before. */
export interface Ensured {
  made: 'created' | 'existing';
  hosts?: string[];
}

/** What has a server certificate by its token. */
const servers: readonly string[] = ['gate', 'desk'];

/** Of one that was given none: it serves its own machine. It never gets the names of another server. */
const ownMachine = ['localhost', '127.0.0.1', '::1'];

export async function ensureSubject(
  change: ChangeTransaction,
  { subject, kind, attributes, hosts, reads, beside = false, readOnly = false }: NewSubject,
  { declared, reserved }: Ruled,
): Promise<Ensured> {
  if (hosts && !servers.includes(kind)) {
    throw new PortcullisError('request_malformed', `"${subject}" is a ${kind}; only a gate or a desk has hosts`);
  }
  if (reads && kind !== 'gate') {
    throw new PortcullisError('request_malformed', `"${subject}" is a ${kind}; only a gate reads from the feed`);
  }
  const { db, revision, at } = change;
  const known = await db
    .selectFrom('subjects')
    .select(['kind', 'readOnly', 'retired', 'hosts', 'reads'])
    .where('id', '=', subject)
    .executeTakeFirst();
  if (known) {
    if (known.kind !== kind || (known.readOnly === 1) !== readOnly) {
      const is = `${known.readOnly ? 'read-only ' : ''}${known.kind}`;
      const asked = `${readOnly ? 'read-only ' : ''}${kind}`;
      throw new PortcullisError(
        'kind_conflict',
        `"${subject}" is a ${is}, not the ${asked} that was asked for; it stays so for life`,
      );
    }
    if (known.retired) throw new PortcullisError('subject_retired', `"${subject}" is retired; choose another id`);
    if (reads) requireSameReads(subject, reads, known.reads);
    return { made: 'existing', ...(await changeHosts(change, subject, known.hosts, hosts)) };
  }
  if (readOnly && kind !== 'operator') {
    throw new PortcullisError(
      'request_malformed',
      `"${subject}" is to be a ${kind}; only an operator can be read-only`,
    );
  }
  const made = { id: subject, kind, createdAt: at, revision, readOnly: Number(readOnly) };
  const named = servers.includes(kind) ? (hosts ?? (beside ? undefined : ownMachine)) : undefined;
  const row = {
    ...made,
    hosts: named ? JSON.stringify(named) : null,
    url: null,
    reads: reads ? JSON.stringify(reads) : null,
  };
  await db.insertInto('subjects').values(row).execute();
  const values = Object.entries(attributes);
  for (const [name] of values) reserved.require(subject, kind, name);
  await requireTypes(db, values, declared);
  const visibility = 'private';
  const written = values.map(([name, value]) => {
    return { subject, kind, name, value, type: typeof value as AttributeType, visibility } as const;
  });
  await writeValues(change, written);
  return { made: 'created', ...(named && { hosts: named }) };
}

/** Those of its next server certificate: a running gate asks for one within a day, and whenever it starts. */
async function changeHosts(
  { db, revision }: ChangeTransaction,
  subject: string,
  known: string | null,
  hosts: string[] | undefined,
): Promise<{ hosts?: string[] }> {
  if (!hosts || sameNames(hosts, known)) return {};
  await db
    .updateTable('subjects')
    .set({ hosts: JSON.stringify(hosts), revision })
    .where('id', '=', subject)
    .execute();
  return { hosts };
}

function requireSameReads(subject: string, reads: string[], known: string | null): void {
  if (known !== null && sameNames(reads, known)) return;
  const words = `the gate "${subject}" is there; what it may ask of the feed is changed by "portcullis gate reads"`;
  throw new PortcullisError('request_malformed', words);
}

function sameNames(hosts: string[], known: string | null): boolean {
  const plain = (names: string[]) => JSON.stringify(names.map((name) => name.toLowerCase()).sort());
  return known !== null && plain(hosts) === plain(JSON.parse(known) as string[]);
}
