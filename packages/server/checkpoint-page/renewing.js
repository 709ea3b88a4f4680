/** A telephone keeps its certificate alive by itself, as long as it is used now and then. */
import { Refusal } from './ask.js';
import { confirm, makeKey, renew } from './credential.js';
import { arrivals, forgetPendingKey, keepCredential, keepPendingKey, pendingKey } from './store.js';

let running;

/** The credential to go on with, on disk when it is another one; one round at a time. */
export function kept(credential) {
  running ??= round(credential).finally(() => {
    running = undefined;
  });
  return running;
}

async function round(credential) {
  let current = credential;
  try {
    if (!current.unconfirmed && (await isDue(current))) current = await renewed(current);
    if (!current.unconfirmed) return current;
    const confirmed = await confirm(current);
    await keepCredential(confirmed);
    return confirmed;
  } catch (error) {
    // It is tried again in a while; until its end the one that there is does.
    if (error instanceof Refusal) return current;
    throw error;
  }
}

/** Not while something waits: what was signed is good only as long as the certificate that it names. */
async function isDue({ renewAfter }) {
  return Date.parse(renewAfter) <= Date.now() && !(await arrivals()).some(({ state }) => state === 'waiting');
}

async function renewed(credential) {
  const key = (await pendingKey('renewal')) ?? (await makeKey());
  await keepPendingKey(key, 'renewal');
  const next = await renew(credential, key);
  await keepCredential(next);
  await forgetPendingKey('renewal');
  return next;
}
