import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { PortcullisError } from '@portcullis/contract';
import { createFile, type System } from '../telemetry/telemetry.ts';
import type { Seal } from './promises.ts';

const algorithm = 'aes-256-gcm';
const [keyBytes, ivBytes, tagBytes] = [32, 12, 16];

/** AES-256-GCM under the key in one file: 64 hex digits, 0600. What is sealed: IV, ciphertext, tag. */
export function fileSeal(file: string, { random }: Pick<System, 'random'>): Seal {
  // Read each time: what was sealed with a key whose file is gone meanwhile would be lost with this process.
  const key = () => readKey(file);
  let making: Promise<void> | undefined;
  return {
    make() {
      // Those that come meanwhile wait for the first: two would write the same file beside it.
      making ??= createFile(file, `${random(keyBytes).toString('hex')}\n`)
        .catch((cause: NodeJS.ErrnoException) => {
          if (cause.code !== 'EEXIST') throw cause;
        })
        .finally(() => {
          making = undefined;
        });
      return making;
    },
    async seal(secret, about) {
      const iv = random(ivBytes);
      const cipher = createCipheriv(algorithm, await key(), iv, { authTagLength: tagBytes });
      cipher.setAAD(Buffer.from(about));
      return Buffer.concat([iv, cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
    },
    async open(sealed, about) {
      const cipher = createDecipheriv(algorithm, await key(), sealed.subarray(0, ivBytes), { authTagLength: tagBytes });
      cipher.setAAD(Buffer.from(about));
      cipher.setAuthTag(sealed.subarray(-tagBytes));
      try {
        return Buffer.concat([cipher.update(sealed.subarray(ivBytes, -tagBytes)), cipher.final()]);
      } catch (cause) {
        throw unusable(file, 'is not the one that the store was sealed with; put the right file back', cause);
      }
    },
  };
}

function unusable(file: string, why: string, cause?: unknown): PortcullisError {
  return new PortcullisError('key_unusable', `key file "${file}" ${why}`, { cause });
}

async function readKey(file: string): Promise<KeyObject> {
  const { mode } = await stat(file).catch((cause) => Promise.reject(unusable(file, 'can not be read', cause)));
  if ((mode & 0o077) !== 0) throw unusable(file, `has mode ${(mode & 0o777).toString(8)}; it must be 600`);
  const text = (await readFile(file, 'utf8')).trim();
  if (!/^[0-9a-f]{64}$/.test(text)) throw unusable(file, 'must hold 64 lower-case hex digits');
  return createSecretKey(text, 'hex');
}
