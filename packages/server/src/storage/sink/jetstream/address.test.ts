import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseStreamAddress } from './address.ts';

const files: Record<string, string> = { ca: 'PEM', word: 'p:w\nmore', creds: 'JWT' };
const parse = (text: string) => parseStreamAddress(text, (file) => files[file] as string);

test('an address names servers, a stream, and files with what is secret; beyond this machine there is TLS', () => {
  const none = { user: undefined, password: undefined, credentials: undefined };
  const rows: [text: string, expected: Partial<ReturnType<typeof parse>>][] = [
    ['nats://127.0.0.1/readings', { ...none, servers: ['127.0.0.1:4222'], stream: 'readings', tls: false }],
    ['nats://[::1]:4333/readings', { servers: ['[::1]:4333'], tls: false }],
    ['nats://localhost/r?cafile=ca', { tls: { ca: 'PEM' } }],
    ['nats://localhost,b.example:1/r', { servers: ['localhost:4222', 'b.example:1'], tls: {} }],
    ['nats://gate%2D1@b.example/r?passfile=word', { user: 'gate-1', password: 'p:w', tls: {} }],
    ['nats://b.example/r?credentials=creds', { ...none, credentials: 'JWT' }],
  ];
  for (const [text, expected] of rows) {
    const parsed = parse(text);
    assert.partialDeepStrictEqual(parsed, expected, text);
    assert.doesNotMatch(parsed.words, /p:w|JWT/);
  }
});

test('an address that can not be meant is refused by name', () => {
  const rows: [text: string, why: RegExp][] = [
    ['nats://localhost', /must name a stream/],
    ['nats://localhost/two/streams', /must name a stream/],
    ['nats://localhost/a.b', /must name a stream/],
    ['nats://localhost/r?tls=off', /knows no "tls"/],
    ['nats://gate:word@localhost/r', /must hold no password/],
    ['nats://gate@localhost/r', /a user and a passfile/],
    ['nats://localhost/r?passfile=word', /a user and a passfile/],
    ['nats://gate@localhost/r?passfile=word&credentials=creds', /not both/],
    ['nats://local host/r', /has the server "local host"/],
    ['nats://localhost:0/r', /has the server/],
    ['nats://[zz]/r', /has the server/],
    ['nats:///r', /has the server ""/],
    [`nats://${'a,'.repeat(9)}a/r`, /names 10 servers/],
  ];
  for (const [text, message] of rows) assert.throws(() => parse(text), { code: 'config_invalid', message }, text);
});
