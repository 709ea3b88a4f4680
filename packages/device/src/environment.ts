import { PortcullisError } from '@portcullis/contract';

/** The first releases whose TLS checks a resumed session's name too (CVE-2026-48934), by release line. */
const firstFixed: Record<number, number> = { 22: 23, 24: 17 };
/** These lose the peer's chain: https://github.com/nodejs/node/issues/65579 */
const broken = new Set(['26.8.0', '26.8.1']);

/** @throws {PortcullisError} `environment_refused` where the environment would weaken verification (P2) */
export function requireSafeEnvironment(environment: NodeJS.ProcessEnv, version: string): void {
  if (environment.NODE_TLS_REJECT_UNAUTHORIZED === '0') {
    throw new PortcullisError('environment_refused', 'NODE_TLS_REJECT_UNAUTHORIZED=0 turns verification off; unset it');
  }
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (broken.has(version) || major < 22 || minor < (firstFixed[major] ?? 0)) {
    const allowed = 'Node 22.23, 24.17 or later, but not 26.8.0 and 26.8.1';
    throw new PortcullisError(
      'environment_refused',
      `Node ${version} does not verify servers strictly; use ${allowed}`,
    );
  }
}
