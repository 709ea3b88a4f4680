/** The only file that builds a desk. */

import { join } from 'node:path';
import type { Outside } from './assemble.ts';
import { allOf, homeIn } from './assemble-home.ts';
import type { DeskConfig } from './config/config.ts';
import { type Desk, openDesk } from './desk/desk.ts';
import { holdLock } from './storage/lock.ts';
import { createLog, realSystem } from './telemetry/telemetry.ts';

export async function assembleDesk(
  directory: string,
  settings: DeskConfig,
  signal: AbortSignal,
  { system = realSystem, logTo }: Outside = {},
): Promise<Desk> {
  await using stack = new AsyncDisposableStack();
  const home = homeIn(directory, 'desk');
  const log = createLog({ role: 'desk', level: settings.log }, logTo);
  // One process renews what lies there.
  stack.adopt(holdLock(join(home, 'desk.lock')), (lock) => lock.release());
  const parts = {
    directory: home,
    settings: { ...settings, ...allOf(settings), metrics: settings.metrics?.listen },
    system,
    log,
  };
  const desk = stack.use(await openDesk(parts, signal));
  const opened = stack.move();
  const { subject, port, publicPort, phonesPort, estPort, revocationPort } = desk;
  const ports = { port, publicPort, phonesPort, estPort, revocationPort };
  return { subject, ...ports, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
