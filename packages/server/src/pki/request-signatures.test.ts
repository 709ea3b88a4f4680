import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyAlgorithm } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { parseRequest } from './pki.ts';

for (const algorithm of KeyAlgorithm.options) {
  test(`${algorithm}: a request with another bit in its signature is refused`, () => {
    const request = makeRequest(makeKey(algorithm), 'truck-17');
    parseRequest(request);
    request[request.length - 1] = (request.at(-1) as number) ^ 1;
    assert.throws(() => parseRequest(request), { code: 'request_signature_invalid' });
  });
}
