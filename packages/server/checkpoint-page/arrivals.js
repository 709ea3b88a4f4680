/** Arrivals of this phone: signed when they are scanned, kept, and told until they are answered. */
import { ask, Refusal } from './ask.js';
import { signed } from './credential.js';
import { arrivals, forgetOld, keepArrival } from './store.js';

const arrivalType = 'portcullis-arrival+jwt';
const lookType = 'portcullis-look+jwt';
const now = () => new Date().toISOString();

/** What is expected next of a shipment, as far as this checkpoint may know. @throws {Refusal} */
export async function expectedOf(credential, shipment) {
  return ask('/v1/looks', { look: await signed(credential, lookType, { shipment, at: now() }) });
}

/** The shipment that a public code leads to. @throws {Refusal} */
export async function shipmentOf(code) {
  const { answer } = await ask(`/v1/public/${code}`);
  return answer.sub;
}

/** Signed and on this phone's disk when it resolves. */
export async function record(credential, { shipment, note }) {
  const said = { shipment, arrival: crypto.randomUUID(), at: now(), ...(note && { note }) };
  await keepArrival({ ...said, state: 'waiting', signed: await signed(credential, arrivalType, said) });
}

let uploading;

/** Tells what waits, in the order of scanning; one after another, since the next step is judged by the one before. */
export function upload(onChange) {
  uploading ??= tell(onChange).finally(() => {
    uploading = undefined;
  });
  return uploading;
}

async function tell(onChange) {
  // Of a shipment nothing is told before what came before it.
  const stuck = new Set();
  for (const arrival of await arrivals()) {
    if (arrival.state !== 'waiting' || stuck.has(arrival.shipment)) continue;
    const answer = await answerTo(arrival);
    if (answer === 'unreachable') return;
    if (answer === 'later') stuck.add(arrival.shipment);
    else await keepArrival({ ...arrival, ...answer });
    await onChange();
  }
  await forgetOld();
}

/** What is kept of the answer, or why there is none yet. */
async function answerTo({ signed: jws }) {
  try {
    const { outcome, step, waitsFor = [], next = [] } = await ask('/v1/arrivals', { arrival: jws });
    if (outcome === 'pending') return { state: 'pending', step, says: `it waits for ${waitsFor.join(', ')}` };
    return { state: 'recorded', step, says: next.length > 0 ? `next: ${next.join(' or ')}` : 'the journey is over' };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.again) return error.reason === 'unreachable' ? 'unreachable' : 'later';
    return { state: 'refused', reason: error.reason, says: error.message };
  }
}
