/** Certificates made by OpenSSL, so that what we verify with Node was not made by our own hand. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { objectIdentifiers } from '@portcullis/contract';
import { makeKey, makeRequest } from '../src/credential/request.ts';

export interface Pair {
  key: string;
  certificate: string;
}

export interface Wish {
  name?: string;
  /** SPIFFE URI, as `kind/subject` of the fleet `plant`, or whole. */
  uri?: string;
  /** Further alternative names as OpenSSL writes them. */
  alternatives?: string[];
  purposes?: ('clientAuth' | 'serverAuth' | typeof objectIdentifiers.documentSigning)[];
  /** Days from now. */
  from?: number;
  until?: number;
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-device-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const configuration = (directory: string) => `[ca]
default_ca = this
[this]
database = ${directory}/index
new_certs_dir = ${directory}
default_md = sha256
policy = any
unique_subject = no
rand_serial = yes
[any]
commonName = supplied
`;

export const localNames = ['DNS:localhost', 'IP:127.0.0.1', 'IP:::1'];

/** A certificate authority in a directory of its own. */
export class TestAuthority implements Pair {
  readonly key = makeKey();
  readonly certificate: string;
  readonly #directory = temporaryDirectory();

  constructor(name: string, parent?: TestAuthority) {
    mkdirSync(this.#directory, { recursive: true });
    writeFileSync(join(this.#directory, 'index'), '');
    writeFileSync(join(this.#directory, 'ca.conf'), configuration(this.#directory));
    writeFileSync(join(this.#directory, 'key.pem'), this.key);
    // With key identifiers (RFC 5280 §4.2.1.1, §4.2.1.2): strict verifiers demand them.
    const extensions = [
      'basicConstraints = critical, CA:true',
      'keyUsage = critical, keyCertSign, cRLSign',
      'subjectKeyIdentifier = hash',
      ...(parent ? ['authorityKeyIdentifier = keyid'] : []),
    ];
    const request = makeRequest(this.key, name);
    this.certificate = parent
      ? parent.sign(request, extensions, {})
      : this.sign(request, extensions, { until: 3650 }, ['-selfsign']);
    writeFileSync(join(this.#directory, 'certificate.pem'), this.certificate);
  }

  /** A leaf with a key of its own. */
  issue(wish: Wish): Pair {
    const key = makeKey();
    return { key, certificate: this.issueFor(makeRequest(key, wish.name ?? 'leaf'), wish) };
  }

  /** A leaf for a request in DER. */
  issueFor(request: Buffer, wish: Wish): string {
    const uri =
      wish.uri === undefined ? [] : [`URI:${wish.uri.includes(':') ? wish.uri : `spiffe://plant/${wish.uri}`}`];
    const names = [...uri, ...(wish.alternatives ?? [])];
    const extensions = [
      'basicConstraints = critical, CA:false',
      'keyUsage = critical, digitalSignature',
      'authorityKeyIdentifier = keyid',
      ...(wish.purposes ? [`extendedKeyUsage = ${wish.purposes.join(', ')}`] : []),
      ...(names.length > 0 ? [`subjectAltName = ${names.join(', ')}`] : []),
    ];
    return this.sign(request, extensions, wish);
  }

  sign(request: Buffer, extensions: string[], { from = -1, until = 30 }: Wish, more: string[] = []): string {
    const file = (name: string) => join(this.#directory, name);
    const id = randomUUID();
    const encoded = request
      .toString('base64')
      .match(/.{1,64}/g)
      ?.join('\n');
    writeFileSync(
      file(`${id}.csr`),
      `-----BEGIN CERTIFICATE REQUEST-----\n${encoded}\n-----END CERTIFICATE REQUEST-----\n`,
    );
    writeFileSync(file(`${id}.ext`), extensions.join('\n'));
    const by = more.length > 0 ? more : ['-cert', file('certificate.pem')];
    const words = ['ca', '-batch', '-notext', '-config', file('ca.conf'), '-keyfile', file('key.pem'), ...by];
    const times = ['-startdate', dateIn(from), '-enddate', dateIn(until)];
    execFileSync(
      'openssl',
      [...words, ...times, '-extfile', file(`${id}.ext`), '-in', file(`${id}.csr`), '-out', file(`${id}.pem`)],
      { stdio: 'pipe' },
    );
    return readFileSync(file(`${id}.pem`), 'utf8');
  }
}

function dateIn(days: number): string {
  const text = new Date(Date.now() + days * 86_400_000).toISOString();
  return `${text.replace(/[-:T]/g, '').slice(0, 14)}Z`;
}

/** A fleet as the authority would make it: root, issuer of devices, issuer of all else. */
export function makeTestFleet() {
  const root = new TestAuthority('plant root');
  const deviceIssuer = new TestAuthority('plant device issuer', root);
  const infrastructureIssuer = new TestAuthority('plant infrastructure issuer', root);
  const gate = infrastructureIssuer.issue({ uri: 'gate/gate-1', alternatives: localNames, purposes: ['serverAuth'] });
  return { root, deviceIssuer, infrastructureIssuer, gate };
}
