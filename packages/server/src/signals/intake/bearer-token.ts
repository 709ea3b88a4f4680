import { createHash, timingSafeEqual } from 'node:crypto';
import type { SignalHeaders } from './delivery.ts';

/** SHA-256 of a token, in hex, as `sha256sum` prints it. */
export function readTokenHash(text: string): Buffer | undefined {
  const [, digits] = /^([0-9a-fA-F]{64})(\s+-)?$/.exec(text) ?? [];
  return digits === undefined ? undefined : Buffer.from(digits, 'hex');
}

/** RFC 6750 §2.1. What is compared are hashes, and those of right and wrong tokens differ everywhere. */
export function bearsToken(headers: SignalHeaders, hashes: readonly Buffer[]): boolean {
  const { authorization } = headers;
  const [, token] = /^bearer +([A-Za-z0-9\-._~+/]{1,1024}=*)$/i.exec(String(authorization ?? '')) ?? [];
  if (token === undefined) return false;
  const hash = createHash('sha256').update(token).digest();
  let known = false;
  for (const one of hashes) if (timingSafeEqual(one, hash)) known = true;
  return known;
}
