import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { patienceMs } from '../../../../../test/patience.ts';
import { alertMessage, raisedAt, toldAlert, within } from '../../../test/alert-message.ts';
import { email } from './email.ts';

/** What a mail server answers; a row is the beginning of a command and the reply. */
type Script = Record<string, string>;
const usual: Script = {
  ...{ EHLO: '250-mail.example\r\n250 8BITMIME', 'MAIL FROM': '250 ok', 'RCPT TO': '250 ok', DATA: '354 go on' },
  ...{ '.': '250 kept', QUIT: '221 bye', AUTH: '235 welcome' },
};

async function mailServer(context: TestContext, script: Script = {}) {
  const said: string[] = [];
  const mails: string[] = [];
  const replies = { ...usual, ...script };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const reply = (word: string) => socket.write(`${replies[word] ?? '500 what?'}\r\n`);
    socket.on('error', () => undefined).write('220 mail.example\r\n');
    let mail: string | undefined;
    let waiting = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (waiting + text).split('\r\n');
      waiting = lines.pop() ?? '';
      for (const line of lines) {
        if (mail !== undefined && line !== '.') mail += `${line}\n`;
        else if (mail !== undefined) {
          mails.push(mail);
          mail = undefined;
          reply('.');
        } else {
          said.push(line);
          const word = Object.keys(replies).find((one) => line.startsWith(one)) ?? '';
          reply(word);
          if (word === 'DATA' && replies.DATA?.startsWith('354')) mail = '';
        }
      }
    });
  });
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  return { said, mails, port };
}

const target = (port: number, given: Partial<Parameters<typeof email>[0]> = {}) =>
  email({
    ...{ fleet: 'fleet-1', server: new URL(`smtp://127.0.0.1:${port}`), allowPrivate: true },
    ...{ from: 'fleet@example.com', recipients: ['duty@example.com', 'owner@example.com'] },
    ...given,
  });

test('a message is one mail to all recipients, with what happened first and an id that stays', async (context) => {
  const { said, mails, port } = await mailServer(context);
  await target(port).tell(alertMessage(), within(patienceMs));
  await target(port).tell(alertMessage(), within(patienceMs));
  const [mail = '', again] = mails;
  assert.deepEqual(said.filter((line) => /^(MAIL|RCPT)/.test(line)).slice(0, 3), [
    'MAIL FROM:<fleet@example.com>',
    'RCPT TO:<duty@example.com>',
    'RCPT TO:<owner@example.com>',
  ]);
  assert.match(mail, /^Subject: \[fleet-1\] load-1 was warm for 12 minutes$/m);
  assert.match(mail, /^Message-ID: <message-1@fleet-1\.portcullis>$/m);
  assert.match(mail, /^Auto-Submitted: auto-generated$/m);
  assert.match(mail, /^Date: Tue, 01 Jan 2030 12:00:05 \+0000$/m);
  assert.match(mail, /^ {2}subject {2}load-1\n {2}at {7}2030-01-01T12:00:00\.000Z$/m);
  assert.equal(again, mail);
});

test('many alerts are one mail, which says how many; what is over and what goes on says so in its first words', async (context) => {
  const { mails, port } = await mailServer(context);
  const alerts = Array.from({ length: 60 }, (_, index) =>
    toldAlert({ subject: `load-${index}`, settledAt: raisedAt + 60_000 }),
  );
  await target(port).tell(alertMessage({ alerts }), within(patienceMs));
  await target(port).tell(alertMessage({ phase: 'settled', alerts: alerts.slice(0, 1) }), within(patienceMs));
  await target(port).tell(alertMessage({ repeats: 2 }), within(patienceMs));
  const [many = '', over = '', still] = mails;
  assert.match(many, /^Subject: \[fleet-1\] 60 alerts: readings were outside of a rule for too long$/m);
  assert.match(many, /^and 10 more: portcullis alert list --kind breach$/m);
  assert.match(over, /^Subject: \[fleet-1\] over: load-1? ?/m);
  assert.match(over, /^ {2}over {5}2030-01-01T12:01:00\.000Z$/m);
  assert.match(still ?? '', /^Subject: \[fleet-1\] still: load-1/m);
});

test('no name breaks out of its header', async (context) => {
  const { mails, said, port } = await mailServer(context);
  const says = 'x\r\nBcc: everybody@example.com\r\n\r\nhello';
  await target(port).tell(alertMessage({ alerts: [toldAlert({ says })] }), within(patienceMs));
  assert.doesNotMatch(mails[0]?.split('\n\n')[0] ?? '', /^Bcc/m);
  assert.equal(said.filter((line) => line.startsWith('RCPT')).length, 2);
});

test('who logs in does so with what the file holds at that moment', async (context) => {
  const auth = { EHLO: '250-mail.example\r\n250 AUTH PLAIN' };
  const { said, port } = await mailServer(context, auth);
  await target(port, { user: 'fleet', password: () => 'secret' }).tell(alertMessage(), within(patienceMs));
  assert.ok(said.includes(`AUTH PLAIN ${Buffer.from('\0fleet\0secret').toString('base64')}`), said.join('\n'));
});

test('to another machine nothing goes before TLS, and no private one is connected to without being allowed', async (context) => {
  const { said, port } = await mailServer(context);
  const mine = target(port, { allowPrivate: false });
  await assert.rejects(mine.tell(alertMessage(), within(patienceMs)), { message: /is not an address of the Internet/ });
  assert.deepEqual(said, []);
});

const refused: [string, Script, object][] = [
  ['the sender', { 'MAIL FROM': '550 who are you' }, { messageAlone: false, message: /550 who are you/ }],
  ['every recipient', { 'RCPT TO': '550 nobody here' }, { message: /550 nobody here/ }],
  ['the mail itself', { '.': '554 not this one' }, { messageAlone: true, message: /554 not this one/ }],
  ['the mail for now', { '.': '451 later' }, { messageAlone: false, message: /451 later/ }],
];
for (const [what, script, expected] of refused) {
  test(`a server that refuses ${what} was not told`, async (context) => {
    const { port } = await mailServer(context, script);
    await assert.rejects(target(port).tell(alertMessage(), within(patienceMs)), expected);
  });
}

test('a server that hangs is given up when its time is over', async (context) => {
  const silent = createServer(() => undefined);
  context.after(() => silent.close());
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const { port } = silent.address() as { port: number };
  await assert.rejects(target(port).tell(alertMessage(), within(50)), { name: 'TimeoutError' });
});
