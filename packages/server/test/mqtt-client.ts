/** A client of MQTT for tests: it says exactly the bytes that it is told to, and keeps every packet that it hears. */
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { generate, type IConnectPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet';
import type { Leaf } from './fleet-certificates.ts';
import { until } from './open-front.ts';

export interface Place {
  port: number;
  ca: string;
}

export class MqttClient {
  readonly heard: Packet[] = [];
  readonly socket: TLSSocket;
  readonly version: 4 | 5;
  closed = false;

  private constructor(socket: TLSSocket, version: 4 | 5) {
    [this.socket, this.version] = [socket, version];
    const parsing = parser({ protocolVersion: version });
    parsing.on('packet', (packet) => this.heard.push(packet));
    socket.on('data', (piece) => parsing.parse(piece));
    socket.once('close', () => {
      this.closed = true;
    });
  }

  /** Handshake done; nothing said yet. */
  static async open({ port, ca }: Place, leaf: Leaf, version: 4 | 5 = 5): Promise<MqttClient> {
    const socket = connect({ host: '127.0.0.1', port, ca, key: leaf.key, cert: leaf.cert });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    return new MqttClient(socket, version);
  }

  /** And admitted. */
  static async connected(place: Place, leaf: Leaf, version: 4 | 5 = 5, said: Partial<IConnectPacket> = {}) {
    const client = await MqttClient.open(place, leaf, version);
    client.connect(said);
    await client.hears('connack');
    return client;
  }

  connect(said: Partial<IConnectPacket> = {}): void {
    const usual = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: this.version, clientId: 'truck' } as const;
    this.say({ ...usual, clean: true, keepalive: 60, ...said });
  }

  publish(topic: string, payload: string | Buffer, said: Partial<IPublishPacket> = {}): void {
    this.say({ cmd: 'publish', topic, payload, qos: 1, messageId: 1, dup: false, retain: false, ...said });
  }

  say(packet: Packet): void {
    this.write(generate(packet, { protocolVersion: this.version }));
  }

  write(bytes: Buffer | string): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes.replaceAll(' ', ''), 'hex') : bytes);
  }

  /** The first of that kind from the `from`th packet on. */
  async hears<Command extends Packet['cmd']>(cmd: Command, from = 0): Promise<Extract<Packet, { cmd: Command }>> {
    const found = () => this.heard.slice(from).find((packet) => packet.cmd === cmd);
    await until(() => found() !== undefined || this.closed, `${cmd} is heard`);
    const packet = found();
    if (!packet) throw new Error(`closed before ${cmd} was heard; heard ${JSON.stringify(this.heard)}`);
    return packet as Extract<Packet, { cmd: Command }>;
  }

  async ends(): Promise<void> {
    await until(() => this.closed, 'the gate closes the connection');
  }

  close(): void {
    this.socket.destroy();
  }
}
