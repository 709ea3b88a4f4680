import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PortcullisError, parseToken } from '@portcullis/contract';
import {
  type Credential,
  credentialFileIn,
  diskFailure,
  enrol,
  makeDirectory,
  readCredential,
  writeCredential,
} from '@portcullis/device';
import { loadGateConfig } from '../config/config.ts';
import { holdLock } from '../storage/storage.ts';
import { realSystem, replaceFile } from '../telemetry/telemetry.ts';
import type { Output } from './output.ts';
import { gateYaml } from './yaml-templates.ts';

export interface JoinOptions {
  port: string;
  host: string;
  listen: string;
  replace?: boolean;
}

interface Wanted extends JoinOptions {
  /** Options that were said, and are not what is usual. */
  given: string[];
}

/** Nothing of the gate changes before its new credential is there: a lost answer is asked for again with the same token. */
export async function joinGate(directory: string, token: string, wanted: Wanted, output: Output): Promise<void> {
  const known = existsSync(join(directory, 'gate.yaml'));
  if (known) requireReplaceable(directory, token, wanted);
  const port = portOf(wanted.port);
  const home = join(directory, 'gate');
  makeDirectory(home);
  const lock = holdLock(join(home, 'gate.lock'));
  try {
    const joining = join(home, 'joining');
    const credential = await enrolInto(joining, token, credentialIn(home));
    await replaceFile(join(directory, 'root.pem'), credential.roots, 0o644);
    if (!known) {
      const { host, listen: listenHost } = wanted;
      const text = gateYaml({ host, listenHost, authorityPort: 0, gatePort: port, authority: credential.authority });
      await replaceFile(join(directory, 'gate.yaml'), text);
    }
    writeCredential(credentialFileIn(home), credential);
    rmSync(joining, { recursive: true });
    tell(directory, credential, known, output);
  } catch (error) {
    throw diskFailure(error, directory);
  } finally {
    lock.release();
  }
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new PortcullisError('usage', `--port ${text} is not a port; it must be from 1 to 65535`);
}

/** A gate that could go on as it is keeps its credential, unless it is said. What it expects of whom stays in any case. */
function requireReplaceable(directory: string, token: string, { replace, given }: Wanted): void {
  loadGateConfig(directory);
  if (given.length > 0) {
    const options = given.map((name) => `--${name}`).join(', ');
    throw new PortcullisError(
      'usage',
      `"${directory}" holds a gate; what ${options} would say stands in its gate.yaml`,
    );
  }
  const credential = credentialIn(join(directory, 'gate'));
  if (!credential) return;
  const { subject } = parseToken(token);
  if (credential.subject !== subject) {
    const words = `"${directory}" holds the gate ${credential.subject}, the token is for ${subject}; choose another directory`;
    throw new PortcullisError('fleet_exists', words);
  }
  if (replace || Date.parse(credential.notAfter) <= realSystem.now()) return;
  throw new PortcullisError(
    'fleet_exists',
    `"${directory}" already holds the gate ${subject} with a credential until ${credential.notAfter}; "portcullis start gate ${directory}" runs it, --replace gives it a new one`,
  );
}

/** Undefined where it is missing or damaged: that is what a new one is for. */
function credentialIn(directory: string): Credential | undefined {
  try {
    return readCredential(credentialFileIn(directory));
  } catch {
    return undefined;
  }
}

/** In a folder of its own until it is known to be what it must be; one that was cut off after its answer is taken up again. */
async function enrolInto(directory: string, token: string, before: Credential | undefined): Promise<Credential> {
  const { subject } = parseToken(token);
  const credential = answeredIn(directory, subject) ?? (await enrol({ token, directory }));
  const wrong = wrongIn(credential, before);
  if (wrong === undefined) return credential;
  rmSync(directory, { recursive: true });
  throw new PortcullisError('usage', wrong);
}

function answeredIn(directory: string, subject: string): Credential | undefined {
  if (!existsSync(credentialFileIn(directory))) return undefined;
  const credential = credentialIn(directory);
  if (credential?.subject === subject && Date.parse(credential.notAfter) > realSystem.now()) return credential;
  rmSync(directory, { recursive: true });
  return undefined;
}

function wrongIn({ kind, fleet }: Credential, before: Credential | undefined): string | undefined {
  if (kind !== 'gate') return `the token is for a ${kind}; make one with --kind gate`;
  if (before && before.fleet !== fleet) {
    return `the directory holds a gate of ${before.fleet}, the token is of ${fleet}; choose another directory`;
  }
  return undefined;
}

function tell(directory: string, { subject, notAfter, authority }: Credential, known: boolean, output: Output): void {
  const start = `portcullis start gate ${directory}`;
  const words = known
    ? `${subject} has a new credential until ${notAfter}; what it expects and what it stored are as they were; then: ${start}`
    : `${subject} joined; edit ${join(directory, 'gate.yaml')}, then: ${start}`;
  output.result({ subject, directory, notAfter }, words);
  const { authority: configured } = loadGateConfig(directory);
  if (configured === authority) return;
  output.notice(`its gate.yaml names the authority ${configured}; the token came from ${authority}`);
}
