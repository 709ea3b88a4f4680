/**
 * The ladder: which rooms of `packages/server/src` a room may import, besides the contract, telemetry and itself.
 * ARCHITECTURE.md quotes this table, and a test holds the code to it.
 */
export const rooms: Record<string, readonly string[] | 'any door'> = {
  config: [],
  bounds: [],
  telemetry: ['bounds'],
  pki: [],
  keys: ['pki'],
  storage: [],
  expressions: [],
  trade: [],
  oscore: [],
  payloads: [],
  journal: ['storage'],
  alerts: ['bounds', 'storage', 'journal'],
  attributes: ['expressions', 'storage', 'journal'],
  issuance: ['expressions', 'pki', 'keys', 'storage', 'journal'],
  revocation: ['pki', 'keys', 'storage', 'journal'],
  journeys: ['storage', 'journal', 'attributes'],
  signals: ['bounds', 'expressions', 'storage', 'journal', 'attributes', 'revocation'],
  enrolment: ['alerts', 'bounds', 'issuance', 'revocation', 'attributes', 'pki', 'storage', 'journal'],
  imports: ['pki', 'issuance', 'revocation', 'attributes', 'storage', 'journal'],
  'key-credentials': ['pki', 'keys', 'oscore', 'storage', 'journal', 'attributes', 'revocation'],
  authorities: ['keys', 'storage', 'journal'],
  archive: ['issuance', 'storage'],
  backup: ['bounds', 'storage', 'journal'],
  rollover: ['alerts', 'issuance', 'keys', 'pki', 'storage', 'journal'],
  rules: ['expressions', 'storage', 'journal', 'attributes'],
  feed: ['alerts', 'storage', 'journal', 'attributes', 'revocation'],
  replica: [],
  credentials: [],
  gate: ['bounds', 'expressions', 'replica', 'pki', 'storage', 'credentials', 'oscore', 'payloads'],
  publication: ['bounds', 'pki', 'storage', 'journal'],
  ocsp: ['bounds', 'pki'],
  desk: ['bounds', 'credentials', 'ocsp', 'pki', 'publication', 'trade'],
  simulation: ['pki'],
  api: 'any door',
  cli: 'any door',
};

/**
 * Doors beside the file that has the room's name. A sink is an engine of its own, and gates open nothing else of storage. Codes are kept by the authority, which answers nobody by them. Time alone
 * is wanted by commands that must not wait for a logger to be loaded, and so is the version; figures take time to load too, and commands want none.
 */
export const furtherDoors: readonly string[] = [
  'storage/sink.ts',
  'publication/codes.ts',
  'telemetry/system.ts',
  'telemetry/version.ts',
  'telemetry/figures.ts',
];

/** Commands that ask: what they load before they run is short, so that an answer is there in a moment. */
export const askingCommands: readonly string[] = [
  'alert',
  'attribute',
  'breach',
  'certificate',
  'checkpoint-commands',
  'explain',
  'factory-commands',
  'gate-commands',
  'journal-commands',
  'journey-commands',
  'shipment-commands',
  'arrival-commands',
  'readings',
  'signal-commands',
  'rule',
  'status',
  'subject',
  'token',
  'watch',
];
/** None of these is among it, nor the whole of the device package. */
export const loadedLater =
  /^(?!.*\/(cli|telemetry\/(system|version))).*packages\/server\/src\/.*\/|^@portcullis\/device$/;

/** Who may use the device package: its strict client (link, enrol, renew, credential file) exists only there. */
export const roomsWithDevice: readonly string[] = ['credentials', 'gate', 'desk', 'simulation', 'api', 'cli'];

/** Files above 400 lines, each with its reason. */
export const longFiles: Record<string, string> = {};

/** The rooms inside of a room, each with the sister rooms that it may import. What lies flat beside them is used by all. */
export interface InnerRooms {
  /** The folder, below the root of the tree. */
  within: string;
  rooms: Record<string, readonly string[]>;
  /** Flat files that any of the rooms may use. */
  flat: readonly string[];
}

export const innerRooms: readonly InnerRooms[] = [
  {
    within: 'packages/server/src/gate/',
    rooms: {
      policy: [],
      connections: ['policy'],
      recording: ['connections'],
      admission: ['policy', 'connections', 'recording'],
      following: [],
      watching: ['policy', 'connections'],
      listeners: ['policy', 'connections', 'recording', 'admission', 'watching'],
    },
    flat: [],
  },
  {
    within: 'packages/device/src/',
    rooms: {
      link: [],
      credential: ['link'],
      seal: ['link', 'credential'],
      outbox: ['link'],
      ways: ['link', 'credential', 'outbox', 'seal'],
      carrying: ['link', 'credential'],
      socket: ['outbox'],
      commands: ['link', 'credential', 'outbox', 'socket', 'carrying'],
    },
    flat: ['system.ts', 'durable.ts', 'lock.ts', 'sending-device.ts'],
  },
];
