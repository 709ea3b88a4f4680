import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReasonCode, reasons } from '@portcullis/contract';
import { type Moment, type Reply, replyTo } from './refusals.ts';

const versions = [4, 5] as const;
const moments: Moment[] = ['connect', 'open', 'publish'];
const final: ReasonCode[] = ['not_admitted', 'certificate_unknown', 'certificate_revoked', 'certificate_superseded'];
/** What MQTT 5 allows there: §3.2.2.2, §3.14.2.1, §3.4.2.1. */
const allowed: Record<Reply['by'], number[]> = {
  silence: [],
  connack: [0x87],
  disconnect: [0x98],
  puback: [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
};

/** Every reason of the table, wherever and to whomever it is told. */
function* cases() {
  for (const reason of ReasonCode.options) {
    for (const moment of moments) {
      for (const version of versions) {
        for (const admissible of [true, false]) {
          yield { reason, moment, version, admissible, reply: replyTo(reason, moment, version, admissible) };
        }
      }
    }
  }
}

test('P8: what passes, or can be taken back, is never acknowledged and never told: its sender would stay away', () => {
  for (const { reason, moment, admissible, reply } of cases()) {
    const passing = reasons[reason].class === 'gate';
    const nowhere = reasons[reason].class === 'certificate' && !admissible && !final.includes(reason);
    if (passing || (nowhere && moment === 'publish')) assert.equal(reply.by, 'silence', reason);
    if (moment !== 'publish' && !final.includes(reason)) assert.equal(reply.by, 'silence', reason);
  }
});

test('what is final is told: at CONNECT in both versions, on an open connection where MQTT 5 is spoken', () => {
  for (const reason of final) {
    assert.deepEqual(replyTo(reason, 'connect', 5, false), { by: 'connack', code: 0x87 });
    assert.deepEqual(replyTo(reason, 'connect', 4, false), { by: 'connack', code: 5 });
    assert.deepEqual(replyTo(reason, 'open', 5, false), { by: 'disconnect', code: 0x98 });
    assert.deepEqual(replyTo(reason, 'open', 4, false), { by: 'silence', later: false });
  }
});

test('a reading that will never pass is acknowledged with a code that says so, in 3.1.1 as any other', () => {
  for (const { reason, moment, version, admissible, reply } of cases()) {
    const { class: kind } = reasons[reason];
    if (moment !== 'publish' || !(kind === 'reading' || (kind === 'certificate' && admissible))) continue;
    assert.equal(reply.by, 'puback', reason);
    assert.ok(reply.by === 'puback' && (version === 5 ? reply.code >= 0x80 : reply.code === 0), reason);
  }
});

test('each code is one that the standard has for its packet', () => {
  for (const { reason, version, reply } of cases()) {
    if (reply.by !== 'silence' && version === 5) assert.ok(allowed[reply.by].includes(reply.code), reason);
  }
});
