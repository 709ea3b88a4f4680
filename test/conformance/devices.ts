/** The devices of examples/: against a real house, and against servers that lie to them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { sign } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { ServerOptions } from 'node:https';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { answerBytes, parseToken, type SignedAnswer } from '@portcullis/contract';
import { localNames, TestAuthority, temporaryDirectory, type Wish } from '../../packages/device/test/certificates.ts';
import { startEnrolment } from '../../packages/device/test/enrolment.ts';
import { type Answer, acknowledged, type Received, startServer } from '../../packages/device/test/servers.ts';
import { succeeded } from '../../tools/commands.ts';
import { type Ended, type Example, examples, hostileEnvironment } from './example.ts';
import { type House, openHouse, skippedWithout } from './house.ts';

const works = (...words: string[]) => spawnSync(words[0] as string, words.slice(1)).status === 0;
const present =
  works('/usr/bin/python3', '-c', 'import cryptography') && works('curl', '--version') && works('openssl', 'version');
const skip = skippedWithout(present, 'Python 3 with cryptography (Debian: python3-cryptography), curl and openssl');

const foreign = new TestAuthority('a root of somebody else');
const authority = await startEnrolment();
const { fleet } = authority;
const environment = hostileEnvironment(foreign.certificate);
const newDirectory = () => join(temporaryDirectory(), 'device');
/** A handshake that broke, by a server without TLS 1.3, is no verification either. */
const unverified = /nothing was sent|can not be reached: .*PROTOCOL_VERSION/;
const pass: Answer = { status: 0 };

function succeededWith({ status, out, error }: Ended): string {
  assert.equal(status, 0, out + error);
  return out;
}

function failedWith({ status, out, error }: Ended, words: RegExp): void {
  assert.equal(status, 1, out + error);
  assert.match(out + error, words);
}

const serverOf = ({ key, certificate }: { key: string; certificate: string }, issuer: string): ServerOptions => ({
  key,
  cert: certificate + issuer,
});
const infrastructure = (wish: Wish): ServerOptions =>
  serverOf(
    fleet.infrastructureIssuer.issue({ alternatives: localNames, purposes: ['serverAuth'], ...wish }),
    fleet.infrastructureIssuer.certificate,
  );
const foreignServer = (uri: string): ServerOptions =>
  serverOf(foreign.issue({ uri, alternatives: localNames, purposes: ['serverAuth'] }), foreign.certificate);

const posersAsAuthority: [string, ServerOptions][] = [
  ['one that another root vouches for', foreignServer('authority/authority')],
  ['a gate of the fleet', infrastructure({ uri: 'gate/gate-1' })],
  ['a device of the fleet', infrastructure({ uri: 'device/authority' })],
  ['the authority at another name', infrastructure({ uri: 'authority/authority', alternatives: ['DNS:elsewhere'] })],
  ['one whose certificate ended', infrastructure({ uri: 'authority/authority', from: -9, until: -1 })],
  ['one whose certificate is for clients', infrastructure({ uri: 'authority/authority', purposes: ['clientAuth'] })],
  [
    'the authority by TLS 1.2',
    { ...infrastructure({ uri: 'authority/authority' }), minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
  ],
];

const posersAsGate: [string, ServerOptions][] = [
  ['one that another root vouches for', foreignServer('gate/gate-1')],
  ['the authority', infrastructure({ uri: 'authority/authority' })],
  ['a gate of another fleet', infrastructure({ uri: 'spiffe://plants/gate/gate-1' })],
  ['a gate at another name', infrastructure({ uri: 'gate/gate-1', alternatives: ['DNS:elsewhere'] })],
];

const anothersKey = {
  certificate: fleet.deviceIssuer.issue({ uri: 'device/truck-17', purposes: ['clientAuth'] }).certificate,
};
const ofGate = fleet.infrastructureIssuer.issue({ uri: 'gate/gate-1', purposes: ['serverAuth'] });
type Meddle = (answer: SignedAnswer) => unknown;
const payloadOf = ({ payload }: SignedAnswer) => JSON.parse(Buffer.from(payload, 'base64').toString()) as object;
const swapped =
  (members: object): Meddle =>
  (answer) => ({
    ...answer,
    payload: Buffer.from(JSON.stringify({ ...payloadOf(answer), ...members })).toString('base64'),
  });
const signedByGate: Meddle = (answer) => {
  const signature = sign('sha256', answerBytes(Buffer.from(answer.payload, 'base64')), ofGate.key).toString('base64');
  return { ...answer, signature, signer: ofGate.certificate };
};
let older: SignedAnswer | undefined;

async function enrolled(example: Example, gates: string[]): Promise<string> {
  authority.wishes.gates = gates;
  const directory = newDirectory();
  succeededWith(await example.enrol(directory, authority.token));
  return directory;
}

const gateOptions = infrastructure({ uri: 'gate/gate-1' });
const startGate = (answer: (received: Received) => Answer) =>
  startServer(
    { ...gateOptions, ca: fleet.root.certificate + fleet.deviceIssuer.certificate, requestCert: true },
    answer,
  );

for (const example of examples(environment)) {
  for (const [who, options] of posersAsAuthority) {
    test(`${example.name} tells its secret not to ${who}`, { skip }, async () => {
      const poser = await startServer(options, () => ({ status: 200, body: {} }));
      const directory = newDirectory();
      failedWith(await example.enrol(directory, authority.tokenFor(poser.url)), unverified);
      assert.equal(poser.applicationBytes(), 0);
    });
  }

  for (const [who, options] of posersAsGate) {
    test(`${example.name} sends no reading to ${who}`, { skip }, async () => {
      const poser = await startServer({ ...options, requestCert: true, rejectUnauthorized: false }, acknowledged);
      const directory = await enrolled(example, [poser.url]);
      failedWith(await example.send(directory, 'telemetry', '{"a":1}\n'), unverified);
      assert.equal(poser.applicationBytes(), 0);
    });
  }

  for (const [what, members] of [
    ['of another key', anothersKey],
    ['of another subject', { ...anothersKey, subject: 'truck-18' }],
    ['that is none', { certificate: 'nothing' }],
    ['without its members', { fleet: undefined }],
  ] satisfies [string, Record<string, unknown>][]) {
    test(`${example.name} adopts no certificate ${what}`, { skip }, async () => {
      const directory = newDirectory();
      // Signed by the authority all the same.
      authority.wishes.more = members;
      failedWith(
        await example.enrol(directory, authority.token),
        /not a credential|not one of|has no "fleet"|certificate/,
      );
      authority.wishes.more = {};
      failedWith(await example.send(directory, 'telemetry', '{"a":1}\n'), /enrol first/);
    });
  }

  test(`${example.name} says why it was refused`, { skip }, async () => {
    authority.wishes.instead = [{ status: 403, body: { title: 'no', status: 403, reason: 'token_refused' } }];
    failedWith(await example.enrol(newDirectory(), authority.token), /token_refused/);
  });

  for (const [what, meddle] of [
    ['with another leaf', swapped(anothersKey)],
    ['with another trust bundle', swapped({ roots: foreign.certificate })],
    ['with other gates', swapped({ gates: ['https://localhost:1'] })],
    ['signed by a gate', signedByGate],
    ['that nobody signed', payloadOf],
    ['to something before', (answer: SignedAnswer) => older ?? answer],
  ] satisfies [string, Meddle][]) {
    test(`${example.name} takes no answer ${what}`, { skip }, async () => {
      authority.wishes.meddle = (answer) => {
        older = answer;
        return answer;
      };
      const directory = await enrolled(example, []);
      const fresh = newDirectory();
      const refused = /nothing of it was taken|the answer has no/;
      const before = authority.confirmed.length;
      authority.wishes.meddle = meddle;
      failedWith(await example.enrol(fresh, authority.token), refused);
      failedWith(await example.renew(directory, '--now'), refused);
      authority.wishes.meddle = (answer) => answer;
      failedWith(await example.send(fresh, 'telemetry', '{"a":1}\n'), /enrol first/);
      assert.equal(authority.confirmed.length, before);
    });
  }

  test(`${example.name} tells nobody its secret`, { skip }, async () => {
    await enrolled(example, []);
    const { secret } = parseToken(authority.token);
    assert.equal(
      authority.server.requests.some(({ body }) => body.includes(secret)),
      false,
    );
  });

  test(`${example.name} asks again with the same key when an answer was lost`, { skip }, async () => {
    const directory = newDirectory();
    const before = authority.server.requests.length;
    authority.wishes.instead = ['break'];
    failedWith(await example.enrol(directory, authority.token), /./);
    succeededWith(await example.enrol(directory, authority.token));
    const requests = authority.server.requests.slice(before).map(({ body }) => JSON.parse(body) as { request: string });
    // Without the header, whose length follows the signature's, and without the signature, which is another each time.
    const [first, second] = requests.map(({ request }) => request.slice(4, 150));
    assert.equal(requests.length, 2);
    assert.equal(first, second);
  });

  test(`${example.name} sends a reading digit for digit`, { skip }, async () => {
    const bodies: string[] = [];
    const gate = await startGate((received) => {
      bodies.push(received.body);
      return acknowledged(received);
    });
    const directory = await enrolled(example, [gate.url]);
    const text = '"n":12345678901234567890,"x":1.10,"e":1E+400,"s":"\\u00e9ü"';
    succeededWith(await example.send(directory, 'telemetry', `{${text}}\n`));
    assert.ok(bodies.join('').includes(text), bodies.join(''));
  });

  test(`${example.name} takes no acknowledgement of something else for its own`, { skip }, async () => {
    const answers: Answer[] = [
      { status: 202, body: { acknowledged: 2, ids: ['a', 'b'], revision: 1 } },
      { status: 200, body: { acknowledged: 1, ids: ['a'], revision: 1 } },
      { status: 202 },
    ];
    const gate = await startGate((received) => answers.shift() ?? acknowledged(received));
    const directory = await enrolled(example, [gate.url]);
    for (let left = answers.length; left > 0; left--) {
      failedWith(await example.send(directory, 'telemetry', left === 3 || !example.keeps ? '{"a":1}\n' : ''), /./);
    }
    succeededWith(await example.send(directory, 'telemetry', example.keeps ? '' : '{"a":1}\n'));
  });

  test(`${example.name} turns to the next gate when one is down`, { skip }, async () => {
    const gate = await startGate(acknowledged);
    const down = await startGate(acknowledged);
    await down.close();
    const directory = await enrolled(example, [down.url, gate.url]);
    succeededWith(await example.send(directory, 'telemetry', '{"a":1}\n'));
    assert.equal(gate.requests.length, 1);
  });

  test(`${example.name} goes on where a renewal broke off, with a pair that works`, { skip }, async () => {
    const gate = await startGate(acknowledged);
    const directory = await enrolled(example, [gate.url]);
    const { confirmed } = authority;
    const before = confirmed.length;
    authority.wishes.instead = [pass, 'break'];
    failedWith(await example.renew(directory, '--now'), /./);
    authority.wishes.instead = [
      pass,
      pass,
      pass,
      { status: 503, body: { title: 'no', status: 503, reason: 'internal' } },
    ];
    failedWith(await example.renew(directory, '--now'), /internal/);
    succeededWith(await example.send(directory, 'telemetry', '{"a":1}\n'));
    succeededWith(await example.renew(directory));
    assert.ok(confirmed.length > before);
    assert.equal(confirmed.at(-1), [...authority.issued.values()].at(-1));
  });
}

test('python-device keeps what is refused for good apart, and the order of the rest', { skip }, async () => {
  const stored: unknown[] = [];
  const gate = await startGate((received) => {
    const lines = received.body.split('\n').map((line) => JSON.parse(line) as { bad?: boolean; n: number });
    const index = lines.findIndex(({ bad }) => bad);
    const problem = { title: 'no', status: 422, reason: 'schema_not_met', line: index + 1 };
    if (index >= 0) return { status: 422, body: problem };
    stored.push(...lines.map(({ n }) => n));
    return acknowledged(received);
  });
  const [example] = examples(environment) as [Example];
  const directory = await enrolled(example, [gate.url]);
  const lines = [1, 2, 3, 4, 5].map((n) => JSON.stringify(n === 3 ? { n, bad: true } : { n })).join('\n');
  failedWith(await example.send(directory, 'telemetry', lines), /acknowledged 4, refused 1, kept 0/);
  assert.deepEqual(stored, [1, 2, 4, 5]);
  succeededWith(await example.send(directory, 'telemetry', ''));
});

let house: House | undefined;
after(() => house?.[Symbol.asyncDispose]());

for (const example of examples(environment)) {
  test(`${example.name} lives a device's life in a real house`, { skip }, async () => {
    house ??= await openHouse();
    const subject = example.name;
    const directory = join(house.directory, subject);
    const token = await house.token(subject);
    assert.match(succeededWith(await example.enrol(directory, token)), /enrolled as/);
    failedWith(await example.enrol(directory, token), /holds a credential already/);
    assert.match(succeededWith(await example.send(directory, 'telemetry', '{"n":1}\n\n{"n":2}\n')), /acknowledged 2/);
    failedWith(await example.send(directory, 'telemtry', '{"n":0}\n'), /stream_unknown/);
    assert.match(succeededWith(await example.renew(directory)), /until|not due/);
    succeededWith(await example.renew(directory, '--now'));
    const certificates = await house.portcullis('certificate', 'list', '--subject', subject, '--json');
    const standings = certificates.split('\n').map((line) => (JSON.parse(line) as { standing: string }).standing);
    assert.deepEqual(standings.toSorted(), ['superseded', 'valid']);
    await house.portcullis('attribute', 'set', subject, 'status=off', '--wait');
    failedWith(await example.send(directory, 'telemetry', '{"n":3}\n'), /attribute_not_expected/);
    await house.portcullis('attribute', 'set', subject, 'status=active', '--wait');
    const rest = example.keeps ? '' : '{"n":3}\n';
    // What waits in the stream that was mistyped is not what is asked now.
    succeededWith(await example.send(directory, 'telemetry', rest));
    assert.deepEqual(
      (await house.readings(subject)).map(({ data }) => data),
      [{ n: 1 }, { n: 2 }, { n: 3 }],
    );
  });
}

test("the SDK goes on with python-device's credential", { skip }, async () => {
  house ??= await openHouse();
  const [example] = examples(environment) as [Example];
  const directory = join(house.directory, 'handed-over');
  succeededWith(await example.enrol(directory, await house.token('handed-over')));
  assert.ok(existsSync(join(directory, 'credential.json')));
  await succeeded('portcullis-device', 'send', 'telemetry', '/dev/null', '--device', directory);
});
