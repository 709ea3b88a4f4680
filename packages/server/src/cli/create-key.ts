import { KeyCredentialCreated, PortcullisError, plainJson } from '@portcullis/contract';
import { readAssignments, requireAssignments } from './assignments.ts';
import { withFleet } from './fleet-client.ts';
import type { Output } from './output.ts';
import type { CreateOptions } from './token.ts';

/** What a key credential has not, since nothing is enrolled with it. */
const ofTokens = { expires: '--expires', from: '--from', host: '--host', reads: '--reads' } as const;

/** @throws {PortcullisError} `usage` */
export function wantsKey({ credential = 'certificate', replace }: CreateOptions): boolean {
  if (credential !== 'certificate' && credential !== 'oscore') {
    throw new PortcullisError('usage', `--credential ${credential} is no form; it must be certificate or oscore`);
  }
  if (credential === 'certificate' && replace) {
    throw new PortcullisError('usage', '--replace is for --credential oscore; a device that enrols again has its own');
  }
  return credential === 'oscore';
}

/** A key credential is valid at once: whoever reads what is printed can speak for the sensor. */
export async function createKey(subject: string | undefined, options: CreateOptions, output: Output): Promise<void> {
  if (subject === undefined) throw new PortcullisError('usage', 'name the subject that gets the key credential');
  for (const [name, option] of Object.entries(ofTokens)) {
    if (options[name as keyof typeof ofTokens] === undefined) continue;
    throw new PortcullisError('usage', `${option} is for tokens; a key credential is valid at once`);
  }
  const { attribute = [], label, kind, afterRevocation, replace, reason } = options;
  requireAssignments(attribute);
  await withFleet(options, async (client) => {
    const { values } = await readAssignments(attribute, client, output);
    if (label !== undefined && 'label' in values) {
      throw new PortcullisError('usage', 'give the label once: with --label, or with --attribute label=TEXT');
    }
    const attributes = { status: 'active', ...values, ...(label !== undefined && { label }) };
    const asked = { subject, kind, attributes, afterRevocation, replace, reason };
    const made = await client.post('/v1/key-credentials', asked, KeyCredentialCreated);
    tell(made, output);
  });
}

/** Its secret is on standard output alone, once. */
function tell(made: KeyCredentialCreated, output: Output): void {
  output.record(made, [
    ['subject', made.subject],
    ['key id (sender id)', made.keyId],
    ['server id (recipient id)', made.serverId],
    ['master secret', made.masterSecret],
    ['master salt', made.masterSalt],
    ['fingerprint', made.fingerprint],
    ['ends', made.notAfter],
  ]);
  if (!output.json) output.notice(wordsOf(made));
}

function wordsOf({ subject, kind, attributes, replaced }: KeyCredentialCreated): string {
  const given = Object.entries(attributes ?? {}).map(([name, value]) => `${name}=${plainJson(value)}`);
  const who = attributes
    ? `${subject} is new: ${kind} with ${given.join(', ')}`
    : `${subject} exists and keeps its attributes`;
  const before = replaced.length > 0 ? '; the key credential before it is superseded' : '';
  return `${who}${before}; the secret is shown this once`;
}
