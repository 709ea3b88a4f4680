/** The files that `init`, `gate join` and `desk join` write: what differs between fleets, and what everybody asks for first. */
export function fleetYaml(made: {
  fleet: string;
  hosts: string[];
  listenHost: string;
  basePort: number;
  /** Where a desk is reached: it takes the port of enrolment. */
  deskHost: string | undefined;
  /** How private keys are kept, where it is not in files as they are. */
  keys?: object | undefined;
  /** Where third parties find lists of revoked certificates, for as long as there are any. */
  publicName?: string | undefined;
  /** Where the store is, where it is not in a file. */
  store?: string | undefined;
}): string {
  const { fleet, hosts, listenHost, basePort, deskHost, keys, publicName, store } = made;
  const host = urlHost(hosts[0] as string);
  const enrolmentPort = deskHost === undefined ? basePort + 1 : basePort + 8;
  const desk = deskHost === undefined ? '' : `\ndeskUrl: https://${urlHost(deskHost)}:${basePort + 1}`;
  const revocation = publicName === undefined ? '' : `\nrevocationUrl: http://${publicName}:${basePort + 9}`;
  const place = store === undefined ? '' : `\nstore: ${JSON.stringify(store)}`;
  return `# The authority of this fleet. Every key is described in docs/reference/configuration.md.
fleet: ${fleet}
hosts: [${hosts.map((name) => JSON.stringify(name)).join(', ')}]
listen:
  host: ${JSON.stringify(listenHost)}
  apiPort: ${basePort}
  enrolmentPort: ${enrolmentPort}
authorityUrl: https://${host}:${basePort}
enrolmentUrl: https://${host}:${enrolmentPort}${desk}${revocation}${place}
gates: ["https://${host}:${basePort + 3}"]
${keys === undefined ? '' : `keys: ${JSON.stringify(keys)}\n`}`;
}

export function gateYaml(made: {
  host: string;
  listenHost: string;
  authorityPort: number;
  gatePort: number;
  mqttPort: number | undefined;
  coapPort: number | undefined;
  authority?: string | string[];
}): string {
  const { host, listenHost, authorityPort, gatePort, mqttPort, coapPort } = made;
  const authority = made.authority ?? `https://${urlHost(host)}:${authorityPort}`;
  return `# What this gate expects, and of whom. It stays at the gate. Keys: docs/reference/configuration.md
authority: ${oneOrList(authority)}
url: https://${urlHost(host)}:${gatePort}
listen:
  host: ${JSON.stringify(listenHost)}
  port: ${gatePort}${optional('mqttPort', mqttPort)}${optional('coapPort', coapPort)}
streams:
  telemetry:
    expect: { status: active }
`;
}

export function deskYaml(made: {
  host: string;
  listenHost: string;
  authorityPort: number;
  deskPort: number;
  publicPort: number | undefined;
  estPort: number | undefined;
  revocationPort: number | undefined;
  authority?: string | string[];
}): string {
  const { host, listenHost, authorityPort, deskPort, publicPort, estPort, revocationPort } = made;
  const authority = made.authority ?? `https://${urlHost(host)}:${authorityPort}`;
  return `# What strangers reach. Keys: docs/reference/configuration.md
authority: ${oneOrList(authority)}
url: https://${urlHost(host)}:${deskPort}
listen:
  host: ${JSON.stringify(listenHost)}
  port: ${deskPort}${optional('publicPort', publicPort)}${optional('estPort', estPort)}${optional('revocationPort', revocationPort)}
`;
}

/** As YAML: JSON is. */
const oneOrList = (authority: string | string[]) =>
  typeof authority === 'string' ? authority : JSON.stringify(authority);

const optional = (key: string, port: number | undefined) => (port === undefined ? '' : `\n  ${key}: ${port}`);

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
