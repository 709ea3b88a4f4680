import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type AuthorityApprovalRequest, type AuthorityView, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import type { By, Journal } from '../journal/journal.ts';
import type { Reader, Store } from '../storage/storage.ts';
import { type System, timestamp } from '../telemetry/telemetry.ts';
import { Identity, identityFileIn } from './carried.ts';

interface Parts {
  store: Pick<Store, 'read' | 'change' | 'endTerm'>;
  journal: Pick<Journal, 'note'>;
  system: Pick<System, 'now'>;
  /** The directory of this process, which may say which machine it is. */
  home: string;
}

export interface Authorities {
  /** The same again changes nothing. @throws {PortcullisError} `request_malformed` where another machine has the name */
  approve(by: By, asked: Omit<AuthorityApprovalRequest, 'reason'>): Promise<AuthorityView>;
  list(): Promise<AuthorityView[]>;
  /** The machine that it is called on leads no more once that is answered. @throws {PortcullisError} `subject_unknown` */
  revoke(by: By, name: string): Promise<AuthorityView>;
  /** What this machine is called: it may stand by later, and whoever leads then signs for it. */
  ledAs(hosts: readonly string[]): Promise<void>;
  /** What machines that may lead are called: those that are approved, and those that led and need no approval, as the first one of a fleet. */
  names(): Promise<string[]>;
}

/** By what the machine calls itself: one row of the settings. */
const ledAsName = 'ledAs';
const LedAs = z.record(z.string().max(253), z.array(z.string().max(253)).max(64));
const machinesMax = 16;

type Row = Awaited<ReturnType<typeof rowsIn>>[number];
const rowsIn = (store: Pick<Store, 'read'>) =>
  store.read((db) => db.selectFrom('authorities').selectAll().orderBy('name').execute());
const rowOf = async (store: Pick<Store, 'read'>, name: string) =>
  (await rowsIn(store)).find((row) => row.name === name);

const viewOf = ({ name, fingerprint, hosts, approvedAt, approvedBy, revokedAt }: Row): AuthorityView => ({
  ...{ name: name as AuthorityView['name'], fingerprint, hosts: JSON.parse(hosts) as string[], approvedBy },
  approvedAt: timestamp(approvedAt),
  revokedAt: revokedAt === null ? null : timestamp(revokedAt),
});

export function openAuthorities({ store, journal, system, home }: Parts): Authorities {
  return {
    async approve(by, { name, fingerprint, hosts }) {
      const known = await rowOf(store, name);
      const isLive = known?.revokedAt === null;
      if (isLive && known?.fingerprint === fingerprint) return viewOf(known);
      if (isLive)
        throw new PortcullisError(
          'request_malformed',
          `"${name}" is another machine, of ${known?.fingerprint}; revoke that one first, or choose another name`,
        );
      const row = {
        ...{ fingerprint, hosts: JSON.stringify(hosts), approvedAt: system.now(), approvedBy: by.actor },
        revokedAt: null,
      };
      await journal.note({ ...by, action: 'authorities.approve', body: { name, fingerprint, hosts } }, async (db) => {
        await db
          .insertInto('authorities')
          .values({ name, ...row })
          .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
          .execute();
      });
      return viewOf({ name, ...row });
    },
    list: async () => (await rowsIn(store)).map(viewOf),
    async revoke(by, name) {
      const known = await rowOf(store, name);
      if (!known) throw new PortcullisError('subject_unknown', `no authority "${name}" was approved`);
      const isHere = isOf(identityIn(home), known);
      // What it is told is told while it leads. A process that was killed before this is told again.
      const leave = () => isHere && setImmediate(() => store.endTerm());
      if (known.revokedAt !== null) {
        leave();
        return viewOf(known);
      }
      const revokedAt = system.now();
      const body = { name, fingerprint: known.fingerprint };
      await journal.note({ ...by, action: 'authorities.revoke', body }, async (db) => {
        await db.updateTable('authorities').set({ revokedAt }).where('name', '=', name).execute();
      });
      leave();
      return viewOf({ ...known, revokedAt });
    },
    async ledAs(hosts) {
      if (identityIn(home)) return;
      await store.change(async (db) => {
        const { [hostname()]: _, ...others } = await ledAsIn(db);
        const kept = Object.entries(others).slice(1 - machinesMax);
        const value = JSON.stringify({ ...Object.fromEntries(kept), [hostname()]: hosts });
        await db
          .insertInto('settings')
          .values({ name: ledAsName, value })
          .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
          .execute();
      });
    },
    async names() {
      const approved = (await rowsIn(store)).filter(({ revokedAt }) => revokedAt === null).map(viewOf);
      const first = Object.values(await store.read(ledAsIn));
      return [...new Set([...first.flat(), ...approved.flatMap(({ hosts }) => hosts)])];
    },
  };
}

/** What can not be read names nobody. */
async function ledAsIn(db: Reader): Promise<Readonly<Record<string, string[]>>> {
  const row = await db.selectFrom('settings').select('value').where('name', '=', ledAsName).executeTakeFirst();
  if (!row) return {};
  try {
    return LedAs.parse(JSON.parse(row.value));
  } catch {
    return {};
  }
}

/** Whether no other machine is ever to lead, as things are: what is made here is here alone. `authorityUrl`: where gates look for who leads. */
export async function isAlone(
  authorities: Pick<Authorities, 'list'>,
  { authorityUrl }: { authorityUrl: string | readonly string[] },
): Promise<boolean> {
  if ([authorityUrl].flat().length > 1) return false;
  return (await authorities.list()).every(({ revokedAt }) => revokedAt !== null);
}

/**
 * Of a process that has just begun to lead: whether its machine may. The first machine of a fleet has nothing that says who it is.
 * @throws {PortcullisError} `subject_retired`
 */
export async function requireApproved(store: Pick<Store, 'read'>, home: string): Promise<void> {
  const identity = identityIn(home);
  if (!identity) return;
  const row = await rowOf(store, identity.name);
  if (row && isOf(identity, row) && row.revokedAt === null) return;
  const why = row ? 'was revoked, or another machine has its name' : 'is not known to this store';
  throw new PortcullisError('subject_retired', `the authority "${identity.name}" ${why}; this machine may not lead`);
}

const isOf = (identity: Identity | undefined, { name, fingerprint }: Row) =>
  identity?.name === name && identity.fingerprint === fingerprint;

function identityIn(home: string): Identity | undefined {
  try {
    return Identity.parse(JSON.parse(readFileSync(join(home, identityFileIn), 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new PortcullisError('config_invalid', `"${join(home, identityFileIn)}" does not say which authority this is`);
  }
}
