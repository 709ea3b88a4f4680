import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Command } from 'commander';
import {
  type FleetConfig,
  GatePolicyFiles,
  invalidAt,
  JourneyFiles,
  loadDeskConfig,
  loadFleetConfig,
  RuleFiles,
} from '../config/config.ts';
import type { Policy } from '../gate/gate.ts';
import { realSystem } from '../telemetry/system.ts';
import { checkTargets } from './check-targets.ts';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import { keyCosts } from './key-costs.ts';
import type { Output } from './output.ts';
import { whyNotProvable } from './provable.ts';

export function configCommands(program: Command, output: Output): void {
  program
    .command('config')
    .description('the configuration files')
    .command('check')
    .argument('[dir]')
    .description(
      'check fleet.yaml, journeys, rules, desk.yaml, gate.yaml and the files that it names, without starting anything',
    )
    .action(async (dir: string | undefined, options: FleetOptions) => {
      const directory = directoryOf(options, dir);
      const names = ['fleet.yaml', 'desk.yaml', 'gate.yaml'].filter((name) => existsSync(join(directory, name)));
      const beside =
        names.includes('fleet.yaml') || names.length === 0
          ? await checkAuthority(directory)
          : { files: [], warnings: [] };
      if (names.includes('desk.yaml')) loadDeskConfig(directory);
      const policy = names.includes('gate.yaml') ? await checkPolicy(directory) : { files: [], warnings: [] };
      const secrets = names.includes('fleet.yaml') ? await checkSignals(directory, policy.policy) : [];
      const files = [...names, ...secrets, ...beside.files, ...policy.files];
      const warnings = [...beside.warnings, ...policy.warnings];
      for (const warning of warnings) output.notice(`warning: ${warning}`);
      output.result({ valid: true, files, warnings }, `${listOf(files)}: valid`);
    });
}

/** The files beside `fleet.yaml`, which are checked with it. */
async function checkAuthority(directory: string): Promise<{ files: string[]; warnings: string[] }> {
  const config = loadFleetConfig(directory);
  await checkTargets(directory, config);
  await requirePolicies(directory, config);
  const { checkKeeping } = await import('../keys/keys.ts');
  await checkKeeping({ directory, keys: config.keys, credentials: process.env.CREDENTIALS_DIRECTORY });
  const journeys = new JourneyFiles(directory, config.attributes);
  const steps = new Set(journeys.load().flatMap((journey) => journey.steps.map(({ name }) => name)));
  const { problemsOfExpressions } = await import('../rules/rules.ts');
  const rules = new RuleFiles(directory);
  const steplessRules = rules.load(problemsOfExpressions).flatMap(({ rule, during }) =>
    Object.values(during ?? {})
      .filter((step) => !steps.has(step))
      .map((step) => `rule "${rule}": no journey has the step "${step}" that "during" names`),
  );
  const warnings = [...keyCosts(directory, config), ...steplessRules];
  return { files: [...journeys.names, ...rules.files.map((file) => relative(directory, file))], warnings };
}

/** @throws {PortcullisError} `config_invalid`, with the line of the policy that can not be one */
export async function requirePolicies(directory: string, { profiles }: FleetConfig): Promise<void> {
  const { problemsOfPolicies } = await import('../issuance/issuance.ts');
  const [problem] = problemsOfPolicies(profiles);
  if (problem) throw invalidAt(join(directory, 'fleet.yaml'), problem.path, problem.message);
}

/** What proves signals, and what follows from them; and whether a stream lets a device prove that it is well while it is held. */
async function checkSignals(directory: string, policy: Policy | undefined): Promise<readonly string[]> {
  const { signals } = loadFleetConfig(directory);
  if (Object.keys(signals).length === 0) return [];
  const { compileSignals, requireProvable, Sources } = await import('../signals/signals.ts');
  compileSignals(signals);
  const { files } = new Sources({ directory, signals, system: realSystem });
  if (!policy) return files;
  const { mismatchOf } = await import('../gate/gate.ts');
  requireProvable(signals, (stream, held) => whyNotProvable(policy, { stream, held }, mismatchOf));
  return files;
}

/** The files beside `gate.yaml` are named as it names them: by their way from the directory. */
async function checkPolicy(
  directory: string,
): Promise<{ files: string[]; warnings: readonly string[]; policy?: Policy }> {
  const { compilePolicy } = await import('../gate/gate.ts');
  const source = new GatePolicyFiles(directory);
  const { streams, carry, warnings } = await source.load();
  const policy = compilePolicy(streams, 0, carry);
  const named = source.files.map((file) => relative(directory, file)).filter((name) => name !== 'gate.yaml');
  return { files: named, warnings, policy };
}

function listOf(names: readonly string[]): string {
  return [names.slice(0, -1).join(', '), ...names.slice(-1)].filter((part) => part !== '').join(' and ');
}
