/** Files in a row, as `tar` reads them (POSIX ustar; a size beyond 8 GiB in base 256, as GNU tar writes it). */
import { PortcullisError } from '@portcullis/contract';

const blockBytes = 512;
const nameBytesMax = 100;
/** So much fits the eleven octal digits of the size. */
const octalMax = 8 ** 11 - 1;

export interface Member {
  name: string;
  bytes: number;
}

/** The block before a member's bytes. */
export function headerOf({ name, bytes }: Member): Buffer {
  if (Buffer.byteLength(name) > nameBytesMax) {
    throw new PortcullisError('request_malformed', `"${name}" is longer than the ${nameBytesMax} bytes of a name here`);
  }
  const block = Buffer.alloc(blockBytes);
  block.write(name, 0);
  block.write('0000600\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  writeSize(block, bytes);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\u000000', 257, 'latin1');
  block.write(`${sumOf(block).toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function writeSize(block: Buffer, bytes: number): void {
  if (bytes <= octalMax) block.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124);
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(bytes), 128);
  }
}

function sumOf(block: Buffer): number {
  let sum = 0;
  for (const byte of block) sum += byte;
  return sum;
}

/** What fills a member's last block. */
export const paddingOf = (bytes: number): Buffer => Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes);

/** Two empty blocks. */
export const end: Buffer = Buffer.alloc(2 * blockBytes);

export const headerBytes = blockBytes;

/** What a header says, or undefined where the archive ends. Another block than `headerOf` makes is no header. */
export function memberOf(block: Buffer): Member | undefined | 'damaged' {
  if (block.every((byte) => byte === 0)) return undefined;
  const ended = block.indexOf(0);
  const name = block.toString('utf8', 0, Math.min(ended, nameBytesMax));
  const bytes = block[124] === 0x80 ? Number(block.readBigUInt64BE(128)) : octalOf(block.toString('latin1', 124, 135));
  if (ended < 1 || !Number.isSafeInteger(bytes)) return 'damaged';
  if (Buffer.byteLength(name) > nameBytesMax || !headerOf({ name, bytes }).equals(block)) return 'damaged';
  return { name, bytes };
}

const octalOf = (text: string) => (/^[0-7]{11}$/.test(text) ? Number.parseInt(text, 8) : Number.NaN);
