import type { PublicAnswer, PublicJourney } from '@portcullis/contract';
import { foreign, frame, inTitle, shapeOf } from './page-frame.ts';
import { catalogue, type Language, type Words } from './page-words.ts';

type Step = PublicJourney['steps'][number];

interface Shown {
  language: Language;
  code: string;
}

/** A page stays below 50 KB, whatever is in it: so much of each list is shown. */
const listBytesMax = { steps: 20_000, corrections: 6_000, facts: 12_000 };

/** What a phone shows: the state first, without a script. */
export function page(answer: PublicAnswer, { language, code }: Shown): string {
  const words = catalogue[language];
  const { state, journey, sub } = answer;
  const body = `<main>
${journey ? delivered(journey, words) : ''}<section class="state ${state}" aria-labelledby="state">${shapeOf(state)}<div>
<h1 id="state">${words.state[state]}</h1><p>${words.meaning[state]}</p><p>${foreign(sub)}</p></div></section>
${journey ? steps(journey, words) : ''}${facts(answer, words)}${verified(answer, words)}${check(code, words)}</main>`;
  return frame(language, `${inTitle(sub)}: ${words.state[state]}`, body);
}

export function notice(language: Language, which: 'unknown' | 'often' | 'stale'): string {
  const words = catalogue[language];
  const more = which === 'often' ? '' : `<p>${words[`${which}More`]}</p>`;
  return frame(language, words[which], `<main><h1>${words[which]}</h1>${more}</main>`);
}

/** Before all else, once it was: a label proves the statement, not the box that it is on. */
function delivered({ state, steps: all }: PublicJourney, words: Words): string {
  if (state !== 'delivered') return '';
  const last = all.findLast((step) => step.state === 'done');
  const where = last?.place === undefined ? '' : `, ${foreign(last.place)}`;
  return `<p class="delivered">${words.delivered}${last?.at === undefined ? '' : `, ${time(last.at)}`}${where}</p>\n`;
}

function steps({ steps: all, corrections }: PublicJourney, words: Words): string {
  const shown = `<h2>${words.steps}</h2><ol>${some(all, (step) => stepLine(step, words), listBytesMax.steps, words)}</ol>\n`;
  if (corrections.length === 0) return shown;
  const line = ({ at, step, what, correctedAt }: PublicJourney['corrections'][number]) =>
    `<li>${foreign(step)}, ${time(at)}: ${words[what]}, ${time(correctedAt)}</li>`;
  return `${shown}<h2>${words.corrections}</h2><ol>${some(corrections, line, listBytesMax.corrections, words)}</ol>\n`;
}

const marks: Record<Step['state'], string> = { done: '●', expected: '◎', open: '○' };

function stepLine({ name, state, at, place, by, claimed, corrected }: Step, words: Words): string {
  const who = by && [by.publicName ?? [], by.role].flat().map(foreign).join(', ');
  const parts = [
    at === undefined ? [] : time(at),
    place === undefined ? [] : foreign(place),
    who ? `${words.by} ${who}` : [],
    claimed ? words.claimed : [],
    corrected ? words.corrected : [],
  ].flat();
  return `<li><b aria-hidden="true">${marks[state]}</b>${foreign(name)} <small>${[words[state], ...parts].join(' · ')}</small></li>`;
}

function facts({ attributes }: PublicAnswer, words: Words): string {
  const line = ([name, { value, changedAt }]: [string, { value: unknown; changedAt: string }]) =>
    `<dt>${foreign(name)}</dt><dd>${foreign(String(value))} <small>${words.since} ${time(changedAt)}</small></dd>`;
  const all = Object.entries(attributes);
  if (all.length === 0) return `<h2>${words.facts}</h2><p>${words.nothing}</p>\n`;
  return `<h2>${words.facts}</h2><dl>${some(all, line, listBytesMax.facts, words)}</dl>\n`;
}

function verified({ certificate, asOf, exp, iss, iat }: PublicAnswer, words: Words): string {
  const goodUntil = new Date(exp * 1_000).toISOString();
  return `<h2>${words.verified}</h2><dl><dt>${words.certificate}</dt><dd>${certificateWords(certificate, iat, words)}</dd>
<dt>${words.asOf}</dt><dd>${time(asOf)}</dd><dt>${words.goodUntil}</dt><dd>${time(goodUntil)}</dd>
<dt>${words.fleet}</dt><dd>${foreign(iss)}</dd></dl>\n`;
}

function certificateWords(certificate: PublicAnswer['certificate'], iat: number, words: Words): string {
  if (!certificate) return words.none;
  const { standing, notAfter, fingerprint } = certificate;
  const hasEnded = Date.parse(notAfter) < iat * 1_000;
  return `${words.standing[standing]}, ${hasEnded ? words.ended : words.until} ${time(notAfter)}<br><code>${fingerprint}</code>`;
}

function check(code: string, words: Words): string {
  return `<h2>${words.check}</h2><p>${words.how}</p>
<ul><li><a href="/v1/public/${code}" rel="noreferrer nofollow">${words.signedJson}</a>: <code>portcullis-device verify FILE --root root.pem</code></li>
<li><a href="/v1/public/${code}.p7s" rel="noreferrer nofollow">${words.signedCms}</a>: <code>openssl cms -verify -inform DER -in FILE -CAfile root.pem</code></li></ul>
<p><small>${words.caution}</small></p>`;
}

/** To the minute, in UTC, as it is written everywhere. */
const time = (at: string) => `<time datetime="${at}">${at.slice(0, 10)} ${at.slice(11, 16)} UTC</time>`;

/** The first ones, as many as there is room for, and how many more there are. */
function some<Item>(items: readonly Item[], line: (item: Item) => string, bytesMax: number, words: Words): string {
  let shown = '';
  for (const [index, item] of items.entries()) {
    const next = line(item);
    if (Buffer.byteLength(shown) + Buffer.byteLength(next) > bytesMax)
      return `${shown}<p>${items.length - index} ${words.more}</p>`;
    shown += next;
  }
  return shown;
}
