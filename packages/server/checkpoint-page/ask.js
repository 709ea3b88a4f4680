/** So long an answer is waited for: a phone that is between two cells does not know that it is offline. */
const patienceMs = 20_000;

/** What was answered, and whether it may be another answer later. */
export class Refusal extends Error {
  constructor(message, { reason = 'unreachable', again = false } = {}) {
    super(message);
    this.reason = reason;
    this.again = again;
  }
}

/** @throws {Refusal} */
export async function ask(path, body) {
  const signal = AbortSignal.timeout(patienceMs);
  const headers = { 'content-type': 'application/json', accept: 'application/json' };
  const given = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
  const response = await fetch(path, { ...given, cache: 'no-store', credentials: 'omit', signal }).catch(() => {
    throw new Refusal('there is no connection', { again: true });
  });
  const told = await response.json().catch(() => ({}));
  if (response.ok) return told;
  const again = response.status === 429 || response.status >= 500;
  throw new Refusal(told.detail ?? `the answer was ${response.status}`, { reason: told.reason, again });
}
