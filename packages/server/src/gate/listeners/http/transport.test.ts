import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { answerMsOf } from '../../../bounds/bounds.ts';
import { HttpTransport, type Incoming, type Outgoing } from './transport.ts';

function opened() {
  const clock = { now: 1_000 };
  const socket = { bytesRead: 0, writableLength: 0 };
  const transport = new HttpTransport(socket as unknown as Socket, () => clock.now);
  const request = { complete: true };
  const response = { headersSent: true, writableEnded: true, writableFinished: false, writableLength: 4_096 };
  const arrive = () => transport.arriving(request as unknown as Incoming, response as unknown as Outgoing);
  return { clock, socket, transport, request, response, arrive };
}

test('P13: an answer that is not taken is given so long as its bytes earn, from when that was seen', () => {
  const { clock, transport, response, arrive } = opened();
  arrive();
  assert.equal(transport.isUnread(clock.now), false);
  clock.now += answerMsOf(4_096);
  assert.equal(transport.isUnread(clock.now), false);
  clock.now += 1;
  assert.equal(transport.isUnread(clock.now), true);
  response.writableFinished = true;
  assert.equal(transport.isUnread(clock.now), false, 'it was taken');
});

test('an answer that goes on, as that of "watch", is not bound so', () => {
  const { clock, transport, response, arrive } = opened();
  response.writableEnded = false;
  arrive();
  for (const later of [0, 10_000_000]) assert.equal(transport.isUnread(clock.now + later), false);
});

test('a connection idles from its last answer on, not from its last request', () => {
  const { clock, socket, transport, request, response, arrive } = opened();
  response.writableEnded = false;
  arrive();
  clock.now += 90_000;
  assert.equal(transport.idlesFor(clock.now), 0, 'it waits for its answer');
  [response.writableEnded, response.writableFinished] = [true, true];
  clock.now += 1_000;
  assert.equal(transport.idlesFor(clock.now), 1_000);
  clock.now += 1_000;
  socket.bytesRead = 1;
  assert.equal(transport.idlesFor(clock.now), 0, 'something came');
  request.complete = false;
  clock.now += 90_000;
  assert.equal(transport.idlesFor(clock.now), 0, 'more is to come');
});
