import type { FleetConfig } from '../config/config.ts';
import { textsIn } from '../config/config.ts';

/** What targets of alerts name: secrets, a password, certificates. @throws {PortcullisError} `config_invalid` */
export async function checkTargets(directory: string, { alerts, fleet }: FleetConfig): Promise<void> {
  if (Object.keys(alerts.targets).length === 0) return;
  const { targetsFrom } = await import('../alerts/alerts.ts');
  targetsFrom(alerts.targets, { fleet, readText: textsIn(directory), now: () => 0 });
}
