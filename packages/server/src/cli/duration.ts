import { PortcullisError } from '@portcullis/contract';

const units = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** Seconds. @throws {PortcullisError} `usage` */
export function durationOf(text: string): number {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (number && unit) return Number(number) * units[unit as keyof typeof units];
  throw new PortcullisError('usage', `"${text}" is not a duration; it must be like 90s, 15m, 1h or 7d`);
}
