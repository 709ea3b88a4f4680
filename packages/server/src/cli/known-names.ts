import { AttributeTypeView, GateStatus, PortcullisError, SubjectView } from '@portcullis/contract';
import { askGates, type Gate } from './ask-gates.ts';
import type { FleetClient } from './fleet-client.ts';

/**
 * A name that the fleet does not know is a mistake, and not one of which there is nothing. It is asked once nothing was found, so
 * that what is there is shown whatever became of its name.
 */

/** How long a gate may take to name its streams. */
const answerMs = 5_000;

/** @throws {PortcullisError} `subject_unknown` */
export async function requireSubject(client: Pick<FleetClient, 'get'>, subject: string): Promise<void> {
  await client.get(`/v1/subjects/${encodeURIComponent(subject)}`, SubjectView);
}

/** @throws {PortcullisError} `attribute_unknown` */
export async function requireAttribute(client: Pick<FleetClient, 'get'>, name: string): Promise<void> {
  await client.get(`/v1/attribute-types/${encodeURIComponent(name)}`, AttributeTypeView.omit({ subjects: true }));
}

/** Known to one gate is known; a gate that can not say may know it. @throws {PortcullisError} `usage` */
export async function requireStream(
  client: Pick<FleetClient, 'getFromGate'>,
  gates: readonly Gate[],
  stream: string,
): Promise<void> {
  const { answers, failures } = await askGates(gates, ({ url }) =>
    client.getFromGate(url, '/v1/status', GateStatus, answerMs),
  );
  if (failures.length > 0) return;
  const known = new Set<string>();
  for (const { value } of answers) {
    if (value.streams === undefined) return;
    for (const name of value.streams) known.add(name);
  }
  if (known.has(stream)) return;
  throw new PortcullisError('usage', `no gate has a stream "${stream}"; they have [${[...known].join(', ')}]`);
}
