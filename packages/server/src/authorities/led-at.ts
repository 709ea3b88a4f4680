import { hostname } from 'node:os';

/** Where an authority answers gates and operators, and who enrols. */
export interface LedAt {
  api: string;
  enrolment: string;
}

interface Here {
  hosts: readonly string[];
  listen: { host: string; apiPort: number };
  authorityUrl: string | readonly string[];
  enrolmentUrl: string | readonly string[];
}

/**
 * Which of the fleet's addresses are this machine's: the only ones with its port, or of those the ones that name what it binds or is called.
 * Undefined: it can not be said.
 */
export function ownAddresses(
  { hosts, listen, authorityUrl, enrolmentUrl }: Here,
  machine = hostname(),
): LedAt | undefined {
  const enrolments = [enrolmentUrl].flat();
  const places = [authorityUrl].flat().flatMap((url, index) => {
    const { hostname: name, port, origin } = new URL(url);
    const enrolment = enrolments[index];
    const isOurs = Number(port || 443) === listen.apiPort && hosts.includes(name) && enrolment !== undefined;
    return isOurs ? [{ name, at: { api: origin, enrolment: new URL(enrolment).origin } }] : [];
  });
  const names = new Set([listen.host, machine]);
  const named = places.filter(({ name }) => names.has(name) || names.has(name.split('.')[0] as string));
  const found = places.length === 1 ? places : named;
  return found.length === 1 ? found[0]?.at : undefined;
}

/** What stands in the row: for people, and for a process that stands by. */
export const holderWords = (words: string, at: LedAt | undefined): string =>
  at === undefined ? words : `${words}, at ${at.api} and ${at.enrolment}`;

const atEnd = /, at (\S+) and (\S+)$/;
const isOrigin = (url: string) => URL.canParse(url) && /^https:/.test(url) && new URL(url).origin === url;

/** Undefined where it says none: an authority of an earlier version, or one that does not know its own. */
export function ledAt(holder: string): LedAt | undefined {
  const [, api = '', enrolment = ''] = atEnd.exec(holder) ?? [];
  return isOrigin(api) && isOrigin(enrolment) ? { api, enrolment } : undefined;
}
