import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { authoritiesOf, PortcullisError, parseToken } from '@portcullis/contract';
import {
  type Credential,
  credentialFileIn,
  diskFailure,
  enrol,
  makeDirectory,
  readCredential,
  writeCredential,
} from '@portcullis/device';
import { loadDeskConfig, loadGateConfig } from '../config/config.ts';
import { holdLock } from '../storage/storage.ts';
import { realSystem, replaceFile } from '../telemetry/telemetry.ts';
import type { Output } from './output.ts';
import { deskYaml, gateYaml } from './yaml-templates.ts';

export interface JoinOptions {
  port: string;
  /** Of a desk. */
  publicPort?: string;
  revocationPort?: string;
  estPort?: string;
  /** Of a gate. */
  mqttPort?: string;
  coapPort?: string;
  host: string;
  listen: string;
  replace?: boolean;
}

/** What joins, how it is configured, and where the token says that the authority is. */
type Joining = 'gate' | 'desk';
const loaders = { gate: loadGateConfig, desk: loadDeskConfig };

interface Wanted extends JoinOptions {
  /** Options that were said, and are not what is usual. */
  given: string[];
}

/** Nothing of it changes before its new credential is there: a lost answer is asked for again with the same token. */
export async function joinFleet(
  kind: Joining,
  directory: string,
  token: string,
  wanted: Wanted,
  output: Output,
): Promise<void> {
  const file = join(directory, `${kind}.yaml`);
  const known = existsSync(file);
  if (known) requireReplaceable(kind, directory, token, wanted);
  const port = portOf('port', wanted.port);
  const further = (option: string, text: string | undefined) => (text === undefined ? undefined : portOf(option, text));
  const publicPort = further('public-port', wanted.publicPort);
  const revocationPort = further('revocation-port', wanted.revocationPort);
  const estPort = further('est-port', wanted.estPort);
  const mqttPort = further('mqtt-port', wanted.mqttPort);
  const coapPort = further('coap-port', wanted.coapPort);
  const home = join(directory, kind);
  makeDirectory(home);
  const lock = holdLock(join(home, `${kind}.lock`));
  try {
    const joining = join(home, 'joining');
    const credential = await enrolInto(kind, joining, token, credentialIn(home));
    await replaceFile(join(directory, 'root.pem'), credential.roots, 0o644);
    const ports = { port, publicPort, estPort, revocationPort, mqttPort, coapPort };
    if (!known) await replaceFile(file, yamlOf(kind, ports, wanted, credential));
    writeCredential(credentialFileIn(home), credential);
    rmSync(joining, { recursive: true });
    tell(kind, directory, credential, known, output);
  } catch (error) {
    throw diskFailure(error, directory);
  } finally {
    lock.release();
  }
}

interface Ports {
  port: number;
  publicPort: number | undefined;
  revocationPort: number | undefined;
  estPort: number | undefined;
  mqttPort: number | undefined;
  coapPort: number | undefined;
}

function yamlOf(
  kind: Joining,
  { port, publicPort, estPort, revocationPort, mqttPort, coapPort }: Ports,
  { host, listen: listenHost }: Wanted,
  credential: Credential,
): string {
  const authorities = authoritiesOf(credential);
  const authority = authorities.length === 1 ? authorities[0] : authorities;
  const made = { host, listenHost, authorityPort: 0, ...(authority && { authority }) };
  if (kind === 'gate') return gateYaml({ ...made, gatePort: port, mqttPort, coapPort });
  return deskYaml({ ...made, deskPort: port, publicPort, estPort, revocationPort });
}

function portOf(option: string, text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new PortcullisError('usage', `--${option} ${text} is not a port; it must be from 1 to 65535`);
}

/** What could go on as it is keeps its credential, unless it is said. What a gate expects of whom stays in any case. */
function requireReplaceable(kind: Joining, directory: string, token: string, { replace, given }: Wanted): void {
  loaders[kind](directory);
  if (given.length > 0) {
    const options = given.map((name) => `--${name.replace('Port', '-port')}`).join(', ');
    throw new PortcullisError(
      'usage',
      `"${directory}" holds a ${kind}; what ${options} would say stands in its ${kind}.yaml`,
    );
  }
  const credential = credentialIn(join(directory, kind));
  if (!credential) return;
  const { subject } = parseToken(token);
  if (credential.subject !== subject) {
    const words = `"${directory}" holds the ${kind} ${credential.subject}, the token is for ${subject}; choose another directory`;
    throw new PortcullisError('fleet_exists', words);
  }
  if (replace || Date.parse(credential.notAfter) <= realSystem.now()) return;
  throw new PortcullisError(
    'fleet_exists',
    `"${directory}" already holds the ${kind} ${subject} with a credential until ${credential.notAfter}; "portcullis start ${kind} ${directory}" runs it, --replace gives it a new one`,
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
async function enrolInto(
  kind: Joining,
  directory: string,
  token: string,
  before: Credential | undefined,
): Promise<Credential> {
  const { subject } = parseToken(token);
  const credential = answeredIn(directory, subject) ?? (await enrol({ token, directory }));
  const wrong = wrongIn(kind, credential, before);
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

function wrongIn(wanted: Joining, { kind, fleet }: Credential, before: Credential | undefined): string | undefined {
  if (kind !== wanted) return `the token is for a ${kind}; make one with --kind ${wanted}`;
  if (before && before.fleet !== fleet) {
    return `the directory holds a ${wanted} of ${before.fleet}, the token is of ${fleet}; choose another directory`;
  }
  return undefined;
}

function tell(kind: Joining, directory: string, credential: Credential, known: boolean, output: Output): void {
  const { subject, notAfter } = credential;
  const start = `portcullis start ${kind} ${directory}`;
  const words = known
    ? `${subject} has a new credential until ${notAfter}; what else is there is as it was; then: ${start}`
    : `${subject} joined; edit ${join(directory, `${kind}.yaml`)}, then: ${start}`;
  output.result({ subject, directory, notAfter }, words);
  const configured = [loaders[kind](directory).authority].flat().join(', ');
  const told = authoritiesOf(credential).join(', ');
  if (configured === told) return;
  output.notice(`its ${kind}.yaml names the authority ${configured}; the token came from ${told}`);
}
