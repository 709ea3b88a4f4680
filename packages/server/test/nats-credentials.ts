/** Credentials as `nsc` makes them, from an operator of the tests: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt */
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';

const kinds = { operator: 14, account: 0, user: 20 } as const;
const seedPrefix = 18;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? []).map((five) => alphabet[Number.parseInt(five.padEnd(5, '0'), 2)]).join('');
}

/** CRC-16/XMODEM, behind what it is of, the low byte first. */
function checked(bytes: number[]): string {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) sum = (sum & 0x8000 ? (sum << 1) ^ 0x1021 : sum << 1) & 0xffff;
  }
  return base32(Uint8Array.from([...bytes, sum & 0xff, sum >> 8]));
}

class NatsKey {
  readonly name: string;
  readonly seed: string;
  readonly #key: KeyObject;

  constructor(kind: keyof typeof kinds) {
    const { privateKey } = generateKeyPairSync('ed25519');
    this.#key = privateKey;
    const { x = '', d = '' } = privateKey.export({ format: 'jwk' });
    const prefix = kinds[kind] << 3;
    this.name = checked([prefix, ...Buffer.from(x, 'base64url')]);
    const before = [(seedPrefix << 3) | (prefix >> 5), (prefix & 31) << 3];
    this.seed = checked([...before, ...Buffer.from(d, 'base64url')]);
  }

  sign(sub: string, nats: object): string {
    const claims = { jti: randomUUID(), iat: 1_700_000_000, iss: this.name, sub, name: 'tests', nats };
    const parts = [{ typ: 'JWT', alg: 'ed25519-nkey' }, claims];
    const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${text}.${sign(null, Buffer.from(text), this.#key).toString('base64url')}`;
  }
}

const unlimited = { subs: -1, data: -1, payload: -1 };
const ofAccount = { ...unlimited, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
const ofStreams = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };

/** What a server's configuration says of an operator with one account, and the file of a user of it. */
export function natsCredentials(): { configuration: string; file(): string } {
  const [operator, account, system] = [new NatsKey('operator'), new NatsKey('account'), new NatsKey('account')];
  const accounts = [
    [account, { ...ofAccount, ...ofStreams }],
    [system, ofAccount],
  ] as const;
  const known = accounts.map(
    ([{ name }, limits]) => `${name}: ${operator.sign(name, { limits, type: 'account', version: 2 })}`,
  );
  const configuration = [
    `operator: ${operator.sign(operator.name, { type: 'operator', version: 2 })}`,
    `system_account: ${system.name}`,
    'resolver: MEMORY',
    `resolver_preload: {\n${known.join('\n')}\n}`,
  ].join('\n');
  const file = () => {
    const user = new NatsKey('user');
    const jwt = account.sign(user.name, { pub: {}, sub: {}, ...unlimited, type: 'user', version: 2 });
    return `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${user.seed}\n------END USER NKEY SEED------\n`;
  };
  return { configuration, file };
}
