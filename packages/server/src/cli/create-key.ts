import { KeyCredentialCreated, KeyCredentialRequest, PortcullisError, plainJson } from '@portcullis/contract';
import { readAssignments, requireAssignments } from './assignments.ts';
import { withFleet } from './fleet-client.ts';
import type { Output } from './output.ts';
import type { CreateOptions } from './token.ts';
import { commonOf, requireOne, wantedOf } from './wanted-subjects.ts';

/** What a key credential has not, since nothing is enrolled with it. */
const ofTokens = { expires: '--expires', host: '--host', reads: '--reads' } as const;

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

/**
 * A key credential is valid at once: whoever reads what is printed can speak for the sensor. Of many each is a change of its own, printed when it is
 * made, so that what was made before one failed can be flashed.
 */
export async function createKey(subject: string | undefined, options: CreateOptions, output: Output): Promise<void> {
  for (const [name, option] of Object.entries(ofTokens)) {
    if (options[name as keyof typeof ofTokens] === undefined) continue;
    throw new PortcullisError('usage', `${option} is for tokens; a key credential is valid at once`);
  }
  const { attribute = [], from, replace, reason } = options;
  requireOne(subject, from);
  requireAssignments(attribute);
  await withFleet(options, async (client) => {
    const { values } = await readAssignments(attribute, client, output);
    const common = {
      ...commonOf(options, values),
      ...(replace && { replace }),
      ...(reason !== undefined && { reason }),
    };
    for (const asked of wantedOf(KeyCredentialRequest, { what: 'the key credential', subject, from, common })) {
      const made = await client.post('/v1/key-credentials', asked, KeyCredentialCreated);
      if (from === undefined) tell(made, output);
      else output.result(made, lineOf(made));
    }
  });
}

const lineOf = ({ subject, keyId, serverId, masterSecret, masterSalt }: KeyCredentialCreated) =>
  [subject, keyId, serverId, masterSecret, masterSalt].join(' ');

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
