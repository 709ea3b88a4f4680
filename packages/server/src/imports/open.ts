import {
  type ExportQuery,
  type ImportAnswer,
  type ImportRequest,
  type ImportRow,
  PortcullisError,
} from '@portcullis/contract';
import type { Attributes, Becomes } from '../attributes/attributes.ts';
import type { Issuance } from '../issuance/issuance.ts';
import type { By, ChangeTransaction, Journal } from '../journal/journal.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { Reader, Store } from '../storage/storage.ts';
import { aTurn, type System } from '../telemetry/telemetry.ts';
import {
  type CertificateStep,
  cutAmong,
  keyHashesIn,
  knownAmong,
  type Named,
  namedBy,
  type ReadForeign,
  readForeign,
  serialsAmong,
  stepOf,
} from './certificates.ts';
import { exportPage } from './export.ts';

export interface Imports {
  /** One transaction, one revision. What of a row is not taken is told with why. @throws {PortcullisError} `last_operator` */
  bring(by: By, request: ImportRequest): Promise<ImportAnswer>;
  /** In the order of ids, as an import takes them. */
  export(query: ExportQuery): Promise<{ items: ImportRow[]; next: string | null }>;
}

export interface ImportParts {
  fleet: string;
  store: Store;
  journal: Journal;
  attributes: Attributes;
  revocation: Revocation;
  issuance: Issuance;
  system: System;
}

export function openImports(parts: ImportParts): Imports {
  return {
    bring: (by, request) => bring(parts, by, request),
    export: (query) => exportPage(parts, query),
  };
}

/** Signatures that are looked at in one turn of the event loop: a few milliseconds. */
const perTurn = 25;
const namedInNote = 5;

type Counts = Pick<ImportAnswer, 'created' | 'changed' | 'same' | 'refused'>;

async function bring(parts: ImportParts, by: By, request: ImportRequest): Promise<ImportAnswer> {
  const named = request.rows.map(certificatesOf);
  const read = await readUnknown(parts, named);
  try {
    const { result, revision } = await parts.journal.change(
      { ...by, action: 'subjects.import', reason: request.reason },
      async (change) => {
        const counts = await bringWithin(parts, change, { rows: request.rows, named, read });
        if (request.dryRun) throw new Rehearsed({ ...counts, revision: change.revision - 1 });
        if (counts.created + counts.changed === 0) {
          const first = request.rows.slice(0, namedInNote).map(({ subject }) => subject);
          change.unchanged(change.revision - 1, first);
        }
        return counts;
      },
    );
    return { revision, ...result };
  } catch (error) {
    if (error instanceof Rehearsed) return error.answer;
    throw error;
  }
}

/** All was done but to commit it. */
class Rehearsed extends Error {
  readonly answer: ImportAnswer;

  constructor(answer: ImportAnswer) {
    super('rehearsed');
    this.answer = answer;
  }
}

function certificatesOf({ subject, certificates = [] }: ImportRow): Named[] | PortcullisError {
  try {
    return certificates.map((given) => namedBy(subject, given));
  } catch (error) {
    if (error instanceof PortcullisError) return error;
    throw error;
  }
}

/** Before the transaction, which others wait for: the signatures of those that are not here. */
async function readUnknown(
  { store, issuance }: ImportParts,
  named: readonly (Named[] | PortcullisError)[],
): Promise<Map<string, ReadForeign | PortcullisError>> {
  const all = named.flatMap((one) => (one instanceof PortcullisError ? [] : one));
  if (all.length === 0) return new Map();
  const known = await store.read((db) => knownAmong(db, all));
  const issuers = issuance.issuers().flatMap(({ role, certificate }) => (role === 'device' ? [certificate] : []));
  const read = new Map<string, ReadForeign | PortcullisError>();
  for (const { fingerprint, der } of all) {
    if (!der || known.has(fingerprint) || read.has(fingerprint)) continue;
    read.set(fingerprint, readForeign(der, issuers));
    if (read.size % perTurn === 0) await aTurn();
  }
  return read;
}

interface Given {
  rows: readonly ImportRow[];
  named: readonly (Named[] | PortcullisError)[];
  read: ReadonlyMap<string, ReadForeign | PortcullisError>;
}

async function bringWithin(parts: ImportParts, change: ChangeTransaction, given: Given): Promise<Counts> {
  const { attributes } = parts;
  const { rows } = given;
  const subjects = rows.map(({ subject }) => subject);
  await attributes.requirePreconditions(change.db, subjects, {});
  const bringing = await attributes.bring(change.db, rows);
  const steps = await stepsOf(parts, change.db, given, bringing.becomes);
  const isTaken = (row: number) => !('refused' in (bringing.becomes[row] as Becomes)) && Array.isArray(steps[row]);
  await bringing.write(change, isTaken);
  for (const [row, own] of steps.entries())
    if (isTaken(row)) for (const step of own as CertificateStep[]) await take(parts, change, step);
  const counts: Counts = { created: 0, changed: 0, same: 0, refused: [] };
  for (const [row, becomes] of bringing.becomes.entries()) count(counts, row, becomes, steps[row] ?? []);
  return counts;
}

function count(counts: Counts, row: number, becomes: Becomes, steps: CertificateStep[] | PortcullisError): void {
  const refused = 'refused' in becomes ? becomes.refused : steps instanceof PortcullisError ? steps : undefined;
  if (refused) counts.refused.push({ row, code: refused.code, detail: refused.message });
  else if ('made' in becomes) {
    const isSame = becomes.made === 'same' && (steps as CertificateStep[]).length === 0;
    counts[isSame ? 'same' : becomes.made === 'created' ? 'created' : 'changed']++;
  }
}

/** What each row's certificates ask for, or why the row is not taken. */
async function stepsOf(
  { fleet, system, issuance }: ImportParts,
  db: Reader,
  given: Given,
  becomes: readonly Becomes[],
) {
  const { named, read } = given;
  const all = named.flatMap((one) => (one instanceof PortcullisError ? [] : one));
  if (all.length === 0) return named.map((one) => (one instanceof PortcullisError ? one : []));
  const ground = {
    fleet,
    now: system.now(),
    read,
    known: await knownAmong(db, all),
    cut: await cutAmong(db, [...new Set(all.map(({ subject }) => subject))]),
    lost: await issuance.lostAmong(db, keyHashesIn(read)),
    serials: await serialsAmong(db, read),
  };
  return named.map((own, row) => {
    const becoming = becomes[row] as Becomes;
    if (own instanceof PortcullisError || 'refused' in becoming) return own instanceof PortcullisError ? own : [];
    try {
      return own.flatMap((one) => stepOf(one, becoming.kind, ground) ?? []);
    } catch (error) {
      if (error instanceof PortcullisError) return error;
      throw error;
    }
  });
}

async function take({ issuance, revocation }: ImportParts, change: ChangeTransaction, step: CertificateStep) {
  if (step.act === 'record') await issuance.recordForeign(change, step.foreign);
  else await revocation.cut(change, step.act, step.fingerprint);
}
