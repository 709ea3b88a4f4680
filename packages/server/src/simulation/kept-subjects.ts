import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FleetName, PortcullisError, SubjectId } from '@portcullis/contract';
import {
  type Credential,
  credentialFileIn,
  holdDirectory,
  type Lock,
  makeDirectory,
  readCredential,
} from '@portcullis/device';
import { z } from 'zod';
import { replaceFile } from '../telemetry/telemetry.ts';

/** What is wrong with a device. */
export const flaws = ['clock', 'cut', 'revoked', 'unknown'] as const;
export type Flaw = (typeof flaws)[number];

export interface Wanted {
  subject: SubjectId;
  flaw?: Flaw;
}

/** Whose fleet it is: what an operator's credential says. */
export type Fleet = Pick<Credential, 'fleet' | 'roots'>;

const Mark = z.object({ fleet: FleetName, roots: z.string() });
const markName = 'simulated.json';
/** Who needs a new certificate within this time is enrolled again before the run begins. */
const leftMsMin = 3_600_000;

/**
 * Keys and certificates of simulated devices (files of mode 0600, in the device's own form), so that a second run need not enrol them
 * again. The directory is of one fleet, and of one process at a time.
 */
export class KeptSubjects implements Disposable {
  readonly #directory: string;
  readonly #lock: Lock;

  private constructor(directory: string, lock: Lock) {
    this.#directory = directory;
    this.#lock = lock;
  }

  /** A crash before the mark is written leaves an empty directory. @throws {PortcullisError} `credential_unusable`, `file_unusable`, `store_locked` */
  static async open(directory: string, { fleet, roots }: Fleet): Promise<KeptSubjects> {
    const mark = join(directory, markName);
    if (
      !existsSync(mark) &&
      existsSync(directory) &&
      readdirSync(directory).some((name) => !/^device\.lock/.test(name))
    )
      throw new PortcullisError(
        'file_unusable',
        `"${directory}" holds something else than simulated devices; name another directory`,
      );
    makeDirectory(directory);
    const lock = holdDirectory(directory);
    try {
      if (existsSync(mark)) requireFleet(directory, mark, { fleet, roots });
      await replaceFile(mark, `${JSON.stringify({ fleet, roots })}\n`, 0o600);
      return new KeptSubjects(directory, lock);
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  directoryOf(subject: string): string {
    return join(this.#directory, 'devices', subject);
  }

  /** Undefined: there is none that lasts, or none of which it is known that it is in force: a run may have ended while it was renewed. */
  credentialOf(subject: string, now: number): Credential | undefined {
    const file = credentialFileIn(this.directoryOf(subject));
    if (!existsSync(file)) return undefined;
    const credential = readCredential(file);
    const lasts = !credential.unconfirmed && Date.parse(credential.notAfter) > now + leftMsMin;
    return lasts ? credential : undefined;
  }

  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/** A root that follows another one is told beside it: one that is known suffices. */
function requireFleet(directory: string, file: string, { fleet, roots }: Fleet): void {
  const mark = Mark.safeParse(parsedOr(readFileSync(file, 'utf8')));
  if (!mark.success) throw new PortcullisError('file_unusable', `"${file}" is damaged; name another directory`);
  const known = certificatesIn(mark.data.roots);
  if (mark.data.fleet === fleet && certificatesIn(roots).some((root) => known.includes(root))) return;
  const message = `"${directory}" holds simulated devices of another fleet ("${mark.data.fleet}"); name another directory`;
  throw new PortcullisError('credential_unusable', message);
}

const certificatesIn = (pem: string): string[] =>
  pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];

function parsedOr(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * Who is simulated: so many, of which this share is broken, each flaw as often as the others and at least once.
 * @throws {PortcullisError} `usage`
 */
export function wantedSubjects(prefix: string, count: number, brokenPercent: number): Wanted[] {
  const broken = brokenPercent === 0 ? 0 : Math.max(flaws.length, Math.round((count * brokenPercent) / 100));
  if (broken >= count) {
    const least = `so that each of [${flaws.join(', ')}] is there once`;
    throw new PortcullisError('usage', `of ${count} subjects ${broken} would be broken, ${least}; simulate more`);
  }
  const nameOf = (name: string) => {
    const parsed = SubjectId.safeParse(name);
    if (parsed.success) return parsed.data;
    throw new PortcullisError('usage', `"${name}" is no subject: ${parsed.error.issues[0]?.message}`);
  };
  const sound = Array.from({ length: count - broken }, (_, index) => ({ subject: nameOf(`${prefix}-${index + 1}`) }));
  const flawed = Array.from({ length: broken }, (_, index) => {
    const flaw = flaws[index % flaws.length] as Flaw;
    return { subject: nameOf(`${prefix}-${flaw}-${Math.floor(index / flaws.length) + 1}`), flaw };
  });
  return [...sound, ...flawed];
}
