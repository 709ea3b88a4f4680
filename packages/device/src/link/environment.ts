import { PortcullisError } from '@portcullis/contract';

/** The first releases, by release line, whose TLS checks a resumed session's name too (CVE-2026-48934). Lines that ended before have none. */
const firstFixed: Record<number, readonly [minor: number, patch: number]> = { 22: [23, 0], 24: [17, 0], 26: [3, 1] };
/** These lose the peer's chain: https://github.com/nodejs/node/issues/65579 */
const broken = new Set(['26.8.0', '26.8.1']);

/** @throws {PortcullisError} `environment_refused` where the environment would weaken verification (P2) */
export function requireSafeEnvironment(environment: NodeJS.ProcessEnv, version: string): void {
  if (environment.NODE_TLS_REJECT_UNAUTHORIZED === '0') {
    throw new PortcullisError('environment_refused', 'NODE_TLS_REJECT_UNAUTHORIZED=0 turns verification off; unset it');
  }
  if (isFixed(version) && !broken.has(version)) return;
  const allowed = 'Node 22.23, 24.17, 26.3.1 or later of these lines, but not 26.8.0 and 26.8.1';
  throw new PortcullisError('environment_refused', `Node ${version} does not verify servers strictly; use ${allowed}`);
}

function isFixed(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  if (major > 26) return true;
  const fixed = firstFixed[major];
  return fixed !== undefined && (minor > fixed[0] || (minor === fixed[0] && patch >= fixed[1]));
}
