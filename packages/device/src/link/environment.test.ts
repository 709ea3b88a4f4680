import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireSafeEnvironment } from './environment.ts';

test('P2: NODE_TLS_REJECT_UNAUTHORIZED=0 is refused, whatever Node it is', () => {
  assert.throws(() => requireSafeEnvironment({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, '24.21.0'), {
    code: 'environment_refused',
    message: /unset it/,
  });
});

for (const version of ['20.20.2', '22.22.9', '23.11.1', '24.16.0', '25.9.0', '26.3.0', '26.8.0', '26.8.1']) {
  test(`P2: Node ${version}, which can skip a check of the server, is refused`, () => {
    assert.throws(() => requireSafeEnvironment({}, version), { code: 'environment_refused', message: /24\.17/ });
  });
}

for (const version of [
  '22.23.0',
  '22.23.3',
  '24.17.0',
  '24.21.0',
  '26.3.1',
  '26.8.2',
  '27.0.0',
  '28.1.0-nightly2027',
]) {
  test(`Node ${version} is taken`, () => {
    requireSafeEnvironment({ NODE_TLS_REJECT_UNAUTHORIZED: '1' }, version);
  });
}
