import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { PublicState } from '@portcullis/contract';
import { codeOf, journey, PublicFleet } from '../../test/public-fleet.ts';
import { catalogue, languageOf } from './page-words.ts';

const at = '2030-01-01T09:00:00.000Z';

async function shown(
  given: object = {},
  acceptLanguage?: string,
): Promise<{ html: string; headers: Record<string, string> }> {
  const fleet = await PublicFleet.make();
  await fleet.put('box-1', given);
  const { status, headers, body } = fleet.ask(
    `/v/${codeOf('box-1')}`,
    acceptLanguage === undefined ? {} : { acceptLanguage },
  );
  assert.equal(status, 200);
  return { html: body.toString('utf8'), headers };
}

test('the state comes first: in words, in a colour and in a shape of its own', async () => {
  const of = async (state: string) => (await shown({ journey: { ...journey, state } })).html;
  const pages = {
    on_its_way: await of('moving'),
    accepted: await of('delivered'),
    stopped: await of('stopped'),
    returned: await of('returned'),
  };
  const shapes = new Set<string>();
  for (const [state, html] of Object.entries(pages)) {
    const heading = html.indexOf('<h1');
    assert.ok(heading > 0 && heading < html.indexOf('<h2'), state);
    assert.ok(html.includes(`class="state ${state}"`));
    assert.ok(html.includes(`>${catalogue.en.state[state as PublicState]}</h1>`));
    shapes.add(/<svg.*?<\/svg>/s.exec(html)?.[0] ?? '');
  }
  assert.equal(shapes.size, 4);
});

test('after the last step the first line says that it was delivered, when and where', async () => {
  const steps = [
    { name: 'delivered', state: 'done', at, place: 'Basel, ward 3', by: { role: 'clinic', publicName: 'Clinic' } },
  ];
  const { html } = await shown({ journey: { ...journey, state: 'delivered', steps } });
  const first = /<main>\s*(<.*?>.*?)\n/s.exec(html)?.[1] ?? '';
  assert.match(
    first,
    /^<p class="delivered">Already delivered, <time datetime="2030-01-01T09:00:00.000Z">2030-01-01 09:00 UTC<\/time>, <bdi>Basel, ward 3<\/bdi>/,
  );
  const { html: moving } = await shown();
  assert.ok(!moving.includes('Already delivered'));
});

test('hostile values are text and nothing else, of their own direction and bounded, and the page stays below 50 KB', async () => {
  const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'\u202egnissim\u2066\u0000${'&'.repeat(900)}`;
  const steps = Array.from({ length: 1_000 }, () => ({
    ...{ name: hostile, state: 'done', at, place: hostile, claimed: true, corrected: true },
    by: { role: hostile, publicName: hostile },
  }));
  const corrections = Array.from({ length: 1_000 }, () => ({ what: 'declared', step: hostile, at, correctedAt: at }));
  const attributes = Object.fromEntries(
    Array.from({ length: 2_000 }, (_, index) => [`a${index}`, { value: hostile, changedAt: at }]),
  );
  const { html } = await shown({ journey: { ...journey, steps, corrections }, attributes });
  assert.ok(Buffer.byteLength(html) < 50_000, `${Buffer.byteLength(html)} bytes`);
  assert.ok(!/<script|<img|onerror=[^&]*>[^<]*<\/x/.test(html));
  assert.ok(!/[\u202a-\u202e\u2066-\u2069]/.test(html) && !html.includes('\0'));
  assert.match(html, /\\u\{202e\}/);
  assert.match(html, /more, in the signed answer/);
  const tags = new Set([...html.matchAll(/<\/?([a-z0-9]+)/g)].map(([, tag]) => tag));
  const known =
    'html head meta title style body main section svg path circle rect div h1 h2 p ol ul li b small dl dt dd time bdi code br a'.split(
      ' ',
    );
  assert.deepEqual(
    [...tags].filter((tag) => !known.includes(tag ?? '')),
    [],
  );
});

test('nothing runs and nothing is fetched: the policy allows the one style, which is the one that is there', async () => {
  const { html, headers } = await shown();
  const style = /<style>(.*?)<\/style>/s.exec(html)?.[1] ?? '';
  const hash = createHash('sha256').update(style).digest('base64');
  const policy = headers['content-security-policy'] ?? '';
  assert.match(policy, /^default-src 'none'; /);
  assert.ok(policy.includes(`style-src 'sha256-${hash}'`));
  assert.doesNotMatch(html, /<script|style=|src=|https?:\/\/|@import|url\(/);
});

test('a page is in the language that is wanted most of those it speaks, and says which', async () => {
  for (const [accepted, language] of [
    [undefined, 'en'],
    ['', 'en'],
    ['de', 'de'],
    ['de-CH,fr;q=0.9', 'de'],
    ['fr, en;q=0.8, de;q=0.9', 'de'],
    ['en-GB,de;q=0.5', 'en'],
    ['fr', 'en'],
    ['*', 'en'],
    ['de;q=0', 'en'],
    [`${'x'.repeat(100_000)},de`, 'en'],
    ['DE', 'de'],
  ] as const)
    assert.equal(languageOf(accepted), language, accepted?.slice(0, 20));
  const { html, headers } = await shown({}, 'de-AT');
  assert.ok(html.includes('<html lang="de">') && html.includes('>Unterwegs</h1>'));
  assert.deepEqual([headers['content-language'], headers.vary], ['de', 'accept-language']);
  const keys = (language: 'en' | 'de') => Object.keys(catalogue[language]).sort();
  assert.deepEqual(keys('de'), keys('en'));
  const same = Object.entries(catalogue.de).filter(
    ([key, text]) => typeof text === 'string' && text === catalogue.en[key as 'by'],
  );
  assert.deepEqual(same, []);
});
