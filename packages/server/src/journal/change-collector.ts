import {
  type AttributeName,
  type AttributeValue,
  type Fingerprint,
  type Kind,
  PortcullisError,
  type Standing,
  type SubjectDelta,
  type SubjectId,
} from '@portcullis/contract';
import type { Writer } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import { readPage } from './page.ts';
import type { BulkTold, CertificateDelta, ChangeTransaction, Entry } from './promises.ts';

const touchedPage = 1_000;

/** What one revision does to each subject it names, gathered while its transaction is open. */
export class ChangeCollector implements ChangeTransaction {
  readonly db: Writer;
  readonly revision: number;
  readonly at: number;
  readonly actor: string;
  readonly reason: string | null;
  already: { since: number; named: readonly string[] } | undefined;
  draft: BulkTold | undefined;
  told: Record<string, unknown> | undefined;
  note: Record<string, unknown> | undefined;
  readonly #subjects = new Map<string, SubjectDelta>();

  constructor(db: Writer, entry: Entry, revision: number, at: number) {
    this.db = db;
    this.revision = revision;
    this.at = at;
    this.actor = entry.actor;
    this.reason = entry.reason ?? null;
  }

  attribute(subject: string, kind: Kind, name: string, value: AttributeValue | null, isPublic: boolean): void {
    const delta = this.#subject(subject, kind);
    delta.attributes ??= {};
    delta.attributes[name as AttributeName] = { value, public: isPublic };
  }

  certificate(subject: string, kind: Kind, certificate: CertificateDelta): void {
    const delta = this.#subject(subject, kind);
    delta.certificates ??= [];
    delta.certificates.push({
      fingerprint: certificate.fingerprint as Fingerprint,
      standing: certificate.standing as Standing,
      notBefore: timestamp(certificate.notBefore),
      notAfter: timestamp(certificate.notAfter),
    });
  }

  touched(subject: string, kind: Kind): void {
    this.#subject(subject, kind);
  }

  async touchedSince(revision: number): Promise<ReadonlySet<string>> {
    const touched = new Set<string>();
    for (let after = revision; after < this.revision - 1; ) {
      const rows = await readPage(this.db, 'revision', after, touchedPage);
      for (const { body } of rows) {
        const { subjects } = JSON.parse(body) as { subjects: SubjectDelta[] };
        for (const { subject } of subjects) touched.add(subject);
      }
      after = rows.at(-1)?.revision ?? this.revision;
    }
    return touched;
  }

  about(facts: Record<string, unknown>): void {
    this.told = { ...this.told, ...facts };
  }

  bulk(told: BulkTold): void {
    this.draft = told;
  }

  noted(facts: Record<string, unknown>): void {
    this.note = facts;
  }

  unchanged(since: number, named: readonly string[]): void {
    this.already = { since, named };
  }

  subjects(): SubjectDelta[] {
    return [...this.#subjects.values()];
  }

  #subject(subject: string, kind: Kind): SubjectDelta {
    const known = this.#subjects.get(subject);
    if (known && known.kind !== kind) {
      throw new PortcullisError('kind_conflict', `"${subject}" is a ${known.kind}, not a ${kind}`);
    }
    const delta = known ?? { subject: subject as SubjectId, kind };
    this.#subjects.set(subject, delta);
    return delta;
  }
}
