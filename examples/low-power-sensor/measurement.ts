/** A reading in CBOR (RFC 8949), as a firmware writes it: twenty bytes, all of them by hand. */
export interface Measurement {
  /** In sixteenths, as the usual sensor chips give it: a half float holds those to ±128 exactly. */
  celsius: number;
  /** Per cent of the battery. */
  power: number;
}

export const cborFormat = 60;

/** `{"celsius": …, "power": …}`. */
export function measurementBytes({ celsius, power }: Measurement): Buffer {
  const half = Buffer.from([0xf9, 0, 0]);
  half.writeUInt16BE(halfOf(Math.round(celsius * 16) / 16), 1);
  return Buffer.concat([Buffer.from([0xa2]), text('celsius'), half, text('power'), Buffer.from([0x18, power])]);
}

const text = (name: string) => Buffer.concat([Buffer.from([0x60 | name.length]), Buffer.from(name)]);

/** IEEE 754 binary16 of a number that it can hold. */
function halfOf(value: number): number {
  if (value === 0) return 0;
  const sign = value < 0 ? 0x8000 : 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  return sign | ((exponent + 15) << 10) | ((Math.abs(value) / 2 ** exponent - 1) * 1024);
}
