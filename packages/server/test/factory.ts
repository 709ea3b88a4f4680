/** A manufacturer's authority and what it made, by OpenSSL: nothing of it is of our own hand. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/** Whoever has a key and a certificate can sign, allowed or not. */
interface Signing {
  file: string;
  keyFile: string;
}

export interface Made {
  key: string;
  certificate: string;
  der: Buffer;
}

const keyOf = (algorithm: string) =>
  algorithm.startsWith('rsa')
    ? `rsa:${algorithm.slice('rsa'.length)}`
    : ['ec', '-pkeyopt', `ec_paramgen_curve:${algorithm}`];

const asAuthority = ['basicConstraints=critical,CA:true', 'keyUsage=critical,keyCertSign,cRLSign'];
const asDevice = ['basicConstraints=critical,CA:false', 'keyUsage=critical,digitalSignature'];

interface Wish {
  /** As `-subj` takes it. */
  subject?: string;
  extensions?: string[];
  days?: number;
  /** `P-256`, or `rsa2048`. */
  algorithm?: string;
  digest?: string;
  /** Who signs it, where not the factory itself. */
  by?: Signing;
}

export class Factory implements Made {
  readonly directory = mkdtempSync(join(tmpdir(), 'portcullis-factory-'));
  readonly key: string;
  readonly certificate: string;
  readonly der: Buffer;
  #made = 0;

  /** `by`: one of which it is an authority in between. */
  constructor(name = 'Factory', by?: Signing, { extensions = asAuthority, ...wish }: Wish = {}) {
    mkdirSync(this.directory, { recursive: true });
    after(() => rmSync(this.directory, { recursive: true, force: true }));
    const made = make(join(this.directory, 'own'), {
      subject: `/CN=${name}`,
      extensions,
      days: 3650,
      ...wish,
      ...(by && { by }),
    });
    [this.key, this.certificate, this.der] = [made.key, made.certificate, made.der];
  }

  get file(): string {
    return join(this.directory, 'own.pem');
  }

  get keyFile(): string {
    return join(this.directory, 'own.key');
  }

  device({ extensions = asDevice, ...wish }: Wish = {}): Made & Signing {
    const place = join(this.directory, `device-${this.#made++}`);
    return make(place, { by: this, subject: '/O=Maker/serialNumber=SN-0001', extensions, ...wish });
  }
}

/** Without `by` it signs itself. */
function make(
  place: string,
  { subject = '', extensions = [], days = 30, algorithm = 'P-256', digest = 'sha256', by }: Wish,
): Made & Signing {
  const [file, keyFile, config] = [`${place}.pem`, `${place}.key`, `${place}.conf`];
  const issuer = by ? ['-CA', by.file, '-CAkey', by.keyFile] : [];
  const added = extensions.flatMap((one) => ['-addext', one]);
  const words = ['req', '-x509', '-new', '-newkey', keyOf(algorithm), '-nodes', '-keyout', keyFile].flat();
  const more = [`-${digest}`, '-days', String(days), '-subj', subject, '-out', file];
  writeFileSync(config, '[req]\ndistinguished_name = name\n[name]\n');
  execFileSync('openssl', [...words, ...issuer, '-config', config, ...added, ...more], { stdio: 'pipe' });
  const certificate = readFileSync(file, 'utf8');
  return { file, keyFile, key: readFileSync(keyFile, 'utf8'), certificate, der: new X509Certificate(certificate).raw };
}

const works = () => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
export const skip = works() || process.env.CI === 'true' ? false : 'openssl is missing: NOT TESTED HERE';
