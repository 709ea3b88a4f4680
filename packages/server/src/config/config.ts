/**
 * Files → one checked, frozen object.
 * - An unknown key is refused by name, with its line and the nearest known key.
 * - A relation between keys is checked here, not where it would bite.
 * - Secrets are in files of their own, never here and never in the environment.
 * Refuses to know: every other room.
 */
export { withKey, withKeys } from './added-key.ts';
export { type DeskConfig, DeskFile, loadDeskConfig } from './desk-config.ts';
export { type FleetConfig, FleetFile, loadFleetConfig } from './fleet-config.ts';
export { type GateConfig, GateFile, hasSinkForWorkers, loadGateConfig, sinkForWorkersWords } from './gate-config.ts';
export { GatePolicyFiles } from './gate-policy-files.ts';
export { FilesInCommon, type InCommon } from './in-common.ts';
export { JourneyFile } from './journey-file.ts';
export { JourneyFiles, readJourney } from './journey-files.ts';
export { KeysConfig } from './keys-config.ts';
export { invalidAt } from './read-yaml.ts';
export { type Problem as RuleProblem, RuleFile } from './rule-config.ts';
export { loadRule, RuleFiles } from './rule-files.ts';
export { type SignalsConfig, SignalsSection } from './signals-config.ts';
export { readTextFile, textsIn } from './text-file.ts';
export { furtherWorkersIn, workerDirectory } from './worker-place.ts';
