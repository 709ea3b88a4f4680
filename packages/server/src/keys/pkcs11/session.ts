/** One session of one token, logged in. PKCS#11 v2.40, whose names and numbers these are. */
import { PortcullisError } from '@portcullis/contract';
import { ModuleProcess, TokenError } from './module-process.ts';
import {
  type Attribute,
  attributeArray,
  attributeBuffer,
  byte,
  byteArray,
  mechanism,
  type Reader,
  u32,
  ulong,
} from './wire.ts';

const handshake = Buffer.from('PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1');
/** An argument of bytes that is not given. */
const absent = Buffer.concat([byte(1), u32(0xffff_ffff)]);
const [slotsMax, foundMax, attributeBytesMax, signatureBytesMax] = [256, 16, 4_096, 1_024];
/** CKF_SERIAL_SESSION, and CKF_RW_SESSION beside it. */
const sessionFlags = 0x4 | 0x2;
const [userPinCountLow, userPinFinalTry, userPinLocked] = [0x1_0000, 0x2_0000, 0x4_0000];
const userType = 1;
/** CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_EXPIRED, CKR_PIN_LOCKED. */
const pinErrors: readonly number[] = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4];

export interface TokenPlace {
  /** The module's file. */
  module: string;
  /** The token's label or serial number. */
  token: string;
}

/** The PIN is not the one of the token: it is never tried again (some tokens lock for good after three). */
export class PinRefused extends PortcullisError {}

export interface Session extends Disposable {
  /** Handles of the objects with all of these, up to 16. */
  find(attributes: readonly Attribute[]): Promise<bigint[]>;
  /** Of one object; undefined where it has none. */
  read(object: bigint, types: readonly number[]): Promise<(Buffer | undefined)[]>;
  generate(type: number, forPublic: readonly Attribute[], forPrivate: readonly Attribute[]): Promise<void>;
  sign(type: number, key: bigint, bytes: Buffer): Promise<Buffer>;
}

/** @throws {PortcullisError} `key_unusable`; `PinRefused` is one */
export async function openSession(place: TokenPlace, pin: () => Promise<string>): Promise<Session> {
  const process = new ModuleProcess(place.module);
  try {
    await process.call('initialize', byteArray(handshake), byte(0), absent);
    const { slot, flags } = await findToken(process, place);
    requirePinUntouched(place, flags);
    const session = (await process.call('openSession', ulong(slot), ulong(sessionFlags))).ulong();
    await logIn(process, place, session, Buffer.from(await pin()));
    return actsOf(process, session);
  } catch (error) {
    process[Symbol.dispose]();
    throw error;
  }
}

interface Found {
  slot: bigint;
  label: string;
  serial: string;
  flags: number;
}

/** Slots are numbered anew whenever the module likes: a token is known by what is written on it. */
async function findToken(process: ModuleProcess, { module, token }: TokenPlace): Promise<Found> {
  const slots = (await process.call('getSlotList', byte(1), u32(slotsMax))).ulongArray();
  const present: Found[] = [];
  for (const slot of slots) {
    const info = await process.call('getTokenInfo', ulong(slot)).catch(passOver);
    if (info) present.push({ slot, ...tokenInfo(info) });
  }
  const matches = present.filter(({ label, serial }) => label === token || serial === token);
  const [match] = matches;
  if (matches.length > 1) {
    const serials = matches.map(({ serial }) => serial).join(', ');
    throw unusable(
      `${matches.length} tokens are called "${token}"; name one by its serial number in "token": [${serials}]`,
    );
  }
  if (match) return match;
  const labels = present.map(({ label }) => JSON.stringify(label)).join(', ');
  throw unusable(`the token "${token}" is not there; module "${module}" has [${labels}]`);
}

/** A slot whose token went away meanwhile has none. */
function passOver(error: unknown): undefined {
  if (!(error instanceof TokenError)) throw error;
  return undefined;
}

function tokenInfo(reader: Reader): Omit<Found, 'slot'> {
  const label = reader.text();
  reader.text();
  reader.text();
  const serial = reader.text();
  return { label, serial, flags: Number(reader.ulong()) };
}

/** One more wrong try may lock it for good: who knows the PIN has to try first. */
function requirePinUntouched({ module, token }: TokenPlace, flags: number): void {
  if ((flags & userPinLocked) !== 0)
    throw unusable(`the PIN of token "${token}" is locked; its security officer unlocks it`);
  if ((flags & (userPinCountLow | userPinFinalTry)) === 0) return;
  const check = `pkcs11-tool --module ${module} --token-label ${token} --login --list-objects`;
  const why = `token "${token}" was given a wrong PIN, and another may lock it: nothing is tried until a login succeeds`;
  throw new PinRefused('key_unusable', `${why}; make sure of the PIN in "pinFile" by ${check}`);
}

async function logIn(process: ModuleProcess, { token }: TokenPlace, session: bigint, pin: Buffer): Promise<void> {
  try {
    await process.call('login', ulong(session), ulong(userType), byteArray(pin));
  } catch (error) {
    if (!(error instanceof TokenError) || !pinErrors.includes(error.code)) throw error;
    const why = `token "${token}" refuses the PIN in "pinFile" (0x${error.code.toString(16)}); it is not tried again`;
    throw new PinRefused('key_unusable', why, { cause: error });
  }
}

function actsOf(process: ModuleProcess, session: bigint): Session {
  const own = ulong(session);
  return {
    async find(attributes) {
      await process.call('findObjectsInit', own, attributeArray(attributes));
      const found = (await process.call('findObjects', own, u32(foundMax))).ulongArray();
      await process.call('findObjectsFinal', own);
      return found;
    },
    async read(object, types) {
      const buffer = attributeBuffer(types, attributeBytesMax);
      return (await process.call('getAttributeValue', own, ulong(object), buffer)).byteAttributes();
    },
    async generate(type, forPublic, forPrivate) {
      await process.call(
        'generateKeyPair',
        own,
        mechanism(type),
        attributeArray(forPublic),
        attributeArray(forPrivate),
      );
    },
    async sign(type, key, bytes) {
      await process.call('signInit', own, mechanism(type), ulong(key));
      return (await process.call('sign', own, byteArray(bytes), u32(signatureBytesMax))).byteArray();
    },
    [Symbol.dispose]: () => process[Symbol.dispose](),
  };
}

function unusable(why: string): PortcullisError {
  return new PortcullisError('key_unusable', why);
}
