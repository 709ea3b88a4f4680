import { Unmappable } from './unmappable.ts';

/** A decimal number: `digits` times ten to the `power`. */
interface Decimal {
  digits: bigint;
  power: number;
}

/** Digits of an exact sum: more than any sensor has, and little to calculate with. */
const digitsMax = 60;

function decimalOf(text: string): Decimal {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const power = Number(exponent) - fraction.length;
  if (whole.length + fraction.length > digitsMax || Math.abs(power) > digitsMax) throw new Unmappable(tooLong(text));
  return { digits: BigInt(`${sign}${whole}${fraction}`), power };
}

const tooLong = (text: string) => `the number ${text.slice(0, 40)} can not be added up within ${digitsMax} digits`;

/** The exact sum of two numbers of JSON, without an exponent. */
export function sumOf(one: string, other: string): string {
  const [first, second] = [decimalOf(one), decimalOf(other)];
  const power = Math.min(first.power, second.power, 0);
  const scaled = ({ digits, power: own }: Decimal) => digits * 10n ** BigInt(own - power);
  const sum = scaled(first) + scaled(second);
  const text = String(sum < 0n ? -sum : sum).padStart(1 - power, '0');
  const point = text.length + power;
  const fraction = text.slice(point).replace(/0+$/, '');
  return `${sum < 0n ? '-' : ''}${text.slice(0, point)}${fraction === '' ? '' : `.${fraction}`}`;
}

/** Seconds as whole milliseconds; what is behind them is cut off. */
export function millisecondsOf(seconds: string): number {
  const { digits, power } = decimalOf(seconds);
  const scale = power + 3;
  const exact = scale >= 0 ? digits * 10n ** BigInt(scale) : digits / 10n ** BigInt(-scale);
  return Number(exact);
}
