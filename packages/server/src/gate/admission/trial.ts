import type { SubjectDelta, Trial } from '@portcullis/contract';
import type { Connection, Connections } from '../connections/connections.ts';
import { type Ground, isAdmissible } from './admit.ts';

/** How many open connections of these subjects would be closed if what is tried were so. Nothing is changed. */
export function tryOut(
  subjects: readonly string[],
  trial: Trial,
  { ground, connections }: { ground: Ground; connections: Pick<Connections, 'openOf'> },
): number {
  const { replica } = ground;
  const rows = subjects.map((subject) => replica.findSubject(subject)).filter((row) => row !== -1);
  const certificates = rows.flatMap((row) => replica.certificatesOf(row));
  const open = certificates.flatMap((row) => connections.openOf(replica.fingerprintOf(row)));
  if ('standing' in trial) return open.length;
  const deltas = rows.map((row) => deltaOf(replica.subjectId(row), replica.kindOf(row), trial.values));
  return replica.trying(deltas, () => open.filter((one: Connection) => !isAdmissible(one, ground)).length);
}

function deltaOf(subject: string, kind: string, values: Extract<Trial, { values: unknown }>['values']): SubjectDelta {
  const attributes = Object.entries(values).map(([name, value]) => [name, { value, public: false }]);
  return { subject, kind, attributes: Object.fromEntries(attributes) } as SubjectDelta;
}
