import { expectedOf, record, shipmentOf, upload } from './arrivals.js';
import { Refusal } from './ask.js';
import { enrol, linkIn, makeKey } from './credential.js';
import { kept } from './renewing.js';
import { scan } from './scan.js';
import { named } from './scanned.js';
import { arrivals, forgetPendingKey, keepCredential, keepPendingKey, pendingKey, readCredential } from './store.js';

const uploadEveryMs = 15_000;
const shownMax = 30;
const element = (id) => document.getElementById(id);
const say = (words, id = 'says') => {
  element(id).textContent = words;
};

let credential;
/** The shipment that was looked up last, and is recorded by the button. */
let load;
let scanning;

async function start() {
  credential = await readCredential();
  const link = linkIn(location.hash);
  if (link) offerSetup(link);
  else if (!credential)
    say('Open the link that your company sent for this checkpoint. It works once, for ten minutes.', 'setup-words');
  element('setup').hidden = Boolean(credential) && !link;
  element('work').hidden = !credential;
  element('name').textContent = credential?.subject ?? '';
  await show();
  await navigator.serviceWorker?.register('/checkpoint/worker.js', { scope: '/checkpoint' }).catch(() => undefined);
  if (credential) void tell();
}

function offerSetup(link) {
  const before = credential ? ` It takes the place of "${credential.subject}".` : '';
  say(
    `This phone gets a key of its own, and records arrivals as "${link.subject}" from then on.${before}`,
    'setup-words',
  );
  element('enrol').hidden = false;
  element('enrol').onclick = () => busy(element('enrol'), () => setUp(link));
}

async function setUp(link) {
  try {
    const key = (await pendingKey('setup')) ?? (await makeKey());
    await keepPendingKey(key, 'setup');
    const made = await enrol(link, key);
    if (made.kind !== 'checkpoint') throw new Refusal(`"${made.subject}" is a ${made.kind}, and no checkpoint`);
    await keepCredential(made);
    await forgetPendingKey('setup');
    await navigator.storage?.persist?.();
    // The link is used up, and must not be sent on by somebody who copies the address.
    history.replaceState(null, '', '/checkpoint');
    location.reload();
  } catch (error) {
    say(setupFailed(error), 'setup-says');
  }
}

function setupFailed(error) {
  if (error instanceof Refusal) return `It was refused: ${error.message}.`;
  if (error.name === 'NotSupportedError') return 'This browser is too old to make the key: it knows no Ed25519.';
  throw error;
}

async function look(text) {
  load = undefined;
  element('load').hidden = true;
  const name = named(text);
  if (!name) return say('That is no label of a shipment, no code and no id.');
  say('');
  try {
    const shipment = name.shipment ?? (await shipmentOf(name.code));
    await offer(shipment);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    say(
      name.shipment || !error.again
        ? `Not found: ${error.message}.`
        : 'Without a connection a code leads nowhere: type the id that is printed on the label.',
    );
  }
}

async function offer(shipment) {
  let words;
  try {
    words = expectedWords(await expectedOf(credential, shipment));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (!error.again) return say(`Not possible: ${error.message}.`);
    words = 'There is no connection, so nobody knows what is expected next. The arrival is signed now, and told later.';
  }
  load = shipment;
  element('load-name').textContent = shipment;
  element('expected').textContent = words;
  element('expected').className = words.includes('NOT EXPECTED') ? 'elsewhere' : '';
  element('load').hidden = false;
  element('load-name').focus();
}

function expectedWords({ state, step, expected }) {
  const yours = expected.filter((one) => one.yours).map((one) => one.step);
  const others = expected.filter((one) => !one.yours).map((one) => one.step);
  const last = step === null ? 'Nothing was recorded yet.' : `The last step was ${step}.`;
  if (yours.length > 0) return `${last} Expected here: ${yours.join(' or ')}.`;
  if (others.length > 0)
    return `${last} NOT EXPECTED HERE: the next step is ${others.join(' or ')}, at another checkpoint.`;
  return `${last} Nothing is expected any more: it is ${state}.`;
}

async function recordLoad() {
  await record(credential, { shipment: load, note: element('note').value.trim() });
  for (const name of ['note', 'code']) element(name).value = '';
  element('load').hidden = true;
  load = undefined;
  await show();
  await tell();
}

async function scanOnce() {
  if (scanning) return scanning.abort();
  scanning = new AbortController();
  const view = element('view');
  view.hidden = false;
  element('scan').textContent = 'Stop the camera';
  try {
    const text = await scan(view, scanning.signal);
    if (text) await look(text);
  } catch (error) {
    say(`The camera can not be used (${error.name}): type the code instead.`);
  } finally {
    scanning = undefined;
    view.hidden = true;
    element('scan').textContent = 'Scan a label';
  }
}

async function tell() {
  await upload(show);
  if (!load) credential = await kept(credential);
  await show();
}

const words = {
  waiting: '… kept on this phone, not told yet',
  recorded: '✓ recorded',
  pending: '… kept: not accepted yet',
  refused: '✗ REFUSED',
};

async function show() {
  const all = credential ? await arrivals() : [];
  const waiting = all.filter(({ state }) => state === 'waiting').length;
  const told = waiting === 0 ? 'everything is told' : `${waiting} not told yet`;
  say(credential ? `${told}; set up until ${credential.notAfter.slice(0, 10)}` : '', 'state');
  const items = all.slice(-shownMax).toReversed().map(itemOf);
  element('log').replaceChildren(...items);
}

function itemOf({ state, shipment, step, at, says, reason }) {
  const item = document.createElement('li');
  item.className = state;
  const time = at.replace('T', ' ').slice(0, 16);
  const why = [reason, says].filter(Boolean).join(': ');
  item.textContent = `${words[state]}: ${shipment}${step ? `, ${step}` : ''}, ${time} UTC${why ? ` (${why})` : ''}`;
  return item;
}

/** One press is one act. */
async function busy(button, act) {
  button.disabled = true;
  await act().finally(() => {
    button.disabled = false;
  });
}

element('scan').onclick = () => void scanOnce();
element('record').onclick = () => busy(element('record'), recordLoad);
element('typed').onsubmit = (event) => {
  event.preventDefault();
  void busy(event.submitter, () => look(element('code').value));
};
addEventListener('online', () => void tell());
addEventListener('offline', () => void show());
addEventListener('hashchange', () => location.reload());
setInterval(() => credential && void tell(), uploadEveryMs);
await start();
