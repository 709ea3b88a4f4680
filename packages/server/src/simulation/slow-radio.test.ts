import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { realNetwork } from '@portcullis/device';
import { realSystem } from '../telemetry/system.ts';
import { SlowRadio } from './slow-radio.ts';

test('a slow radio loses nothing and keeps the order, also of what is sent with the end, in both directions', async (context) => {
  const pieces = Array.from({ length: 40 }, (_, index) => Buffer.from(`piece ${index} `));
  const whole = Buffer.concat(pieces).toString();
  const speak = (socket: Socket) => {
    for (const piece of pieces) socket.write(piece);
    socket.end();
  };
  const heard: Promise<string>[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    heard.push(buffer(socket).then(String));
    speak(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const radio = new SlowRadio(realNetwork, realSystem);
  context.after(async () => {
    await radio[Symbol.asyncDispose]();
    server.close();
  });
  const answers = Array.from({ length: 30 }, () => {
    const socket = radio.connect('127.0.0.1', (server.address() as AddressInfo).port);
    socket.allowHalfOpen = true;
    socket.once('connect', () => speak(socket));
    return buffer(socket).then(String);
  });
  for (const answer of await Promise.all(answers)) assert.equal(answer, whole);
  for (const one of await Promise.all(heard)) assert.equal(one, whole);
});
