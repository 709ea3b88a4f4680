import { createHash } from 'node:crypto';
import { type PublicState, plain } from '@portcullis/contract';
import type { Language } from './page-words.ts';

const style = `:root{color-scheme:light}
body{margin:0 auto;max-width:40rem;padding:1rem;font:1rem/1.5 system-ui,sans-serif;color:#111;background:#fff;overflow-wrap:anywhere}
h1{margin:0;font-size:1.5rem;overflow-wrap:normal}time{white-space:nowrap}h2{font-size:1.2rem;margin:1.5rem 0 .5rem}
.delivered{font-weight:700;font-size:1.2rem;border:3px solid #111;padding:.5rem 1rem}
.state{display:flex;gap:.75rem;align-items:center;padding:.75rem;border:4px solid;border-radius:.5rem}
.state svg{flex:none;width:3rem;height:3rem}
.accepted{color:#0b5d1e;background:#eef8f0}.on_its_way{color:#0b3d91;background:#eef3fb}
.returned{color:#7a4100;background:#fdf4e7}.stopped{color:#fff;background:#a30000;border-color:#a30000}.known{color:#333;background:#f2f2f2}
ol{list-style:none;padding:0}ol li{padding:.4rem 0 .4rem 2rem;position:relative;border-left:2px solid #767676;margin-left:.5rem}
li b{position:absolute;left:-.75rem;width:1.5rem;text-align:center;background:#fff}
ul{padding-left:1.2rem}small{color:#444}dt{font-weight:700}dd{margin:0 0 .5rem}code{font-size:.85rem}`;

/** Nothing runs, nothing is fetched, nothing is sent anywhere; the one style is this one (CSP Level 3 §8.3). */
const styleHash = createHash('sha256').update(style).digest('base64');
export const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
} as const;

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character] as string);

const shownMax = 160;

/** A value from outside: bounded, without what can not be seen, and of its own direction. */
export function foreign(text: string): string {
  const characters = text.length > shownMax ? `${text.slice(0, shownMax).replace(/[\uD800-\uDBFF]$/, '')}…` : text;
  return `<bdi>${escaped(plain(characters))}</bdi>`;
}

/** For the title, where no element may be. */
export const inTitle = (text: string) => escaped(plain(text));

/** Each state by a shape of its own: not everybody tells colours apart. */
const shapes: Record<PublicState, string> = {
  accepted:
    '<circle cx="32" cy="32" r="28" fill="#0b5d1e"/><path d="M18 33l10 10 18-22" fill="none" stroke="#fff" stroke-width="6"/>',
  on_its_way: '<path d="M4 20h32V8l24 24-24 24V44H4z" fill="#0b3d91"/>',
  returned: '<path d="M60 20H28V8L4 32l24 24V44h32z" fill="#7a4100"/>',
  stopped:
    '<path d="M20 3h24l17 17v24L44 61H20L3 44V20z" fill="#fff"/><path d="M16 32h32" stroke="#a30000" stroke-width="9"/>',
  known: '<rect x="8" y="8" width="48" height="48" fill="#333"/>',
};
export const shapeOf = (state: PublicState) =>
  `<svg viewBox="0 0 64 64" aria-hidden="true" focusable="false">${shapes[state]}</svg>`;

export function frame(language: Language, title: string, body: string): string {
  return `<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex,nofollow"><meta name="referrer" content="no-referrer"><title>${title}</title>
<style>${style}</style></head>
<body>${body}</body></html>
`;
}
