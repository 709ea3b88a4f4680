import { z } from 'zod';

const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of `90s`, `15m`, `1h` or `7d`; undefined: the text is none. */
export function durationMs(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  return number && unit ? Number(number) * units[unit as keyof typeof units] : undefined;
}

/** `90s`, `15m`, `1h` or `7d`, read to milliseconds. */
export const Duration = z.string().transform((text, context) => {
  const ms = durationMs(text);
  if (ms !== undefined && ms > 0) return ms;
  context.addIssue({ code: 'custom', message: `must be a duration like 90s, 15m, 1h or 7d; "${text}" is none` });
  return z.NEVER;
});
