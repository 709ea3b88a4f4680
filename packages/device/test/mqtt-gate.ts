/** A gate of MQTT 5 that says what a test wants it to say. */
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import { createServer, type TLSSocket } from 'node:tls';
import { generate, type IConnackPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet';
import type { Pair } from './certificates.ts';
import { fleet } from './gate.ts';

/** What follows a packet: an answer, none, or the end of the connection. */
export type Said = Packet | Buffer | 'hang' | 'close';

export interface MqttWishes {
  connack: Partial<IConnackPacket>;
  /** The next CONNECTs get these instead. */
  instead: Said[];
  publish: (packet: IPublishPacket, index: number) => Said | Promise<Said>;
}

export const puback = ({ messageId = 0 }: Packet, reasonCode = 0, reason?: string, words = reason): Packet =>
  ({
    ...{ cmd: 'puback', messageId, reasonCode },
    ...(reason !== undefined && { properties: { reasonString: words, userProperties: { reason } } }),
  }) as Packet;

/** With the reason string that a gate of ours gives. */
export const refusing = (cmd: 'connack' | 'disconnect', reasonCode: number, words: string): Packet =>
  ({
    ...{ cmd, reasonCode, properties: { reasonString: words } },
    ...(cmd === 'connack' && { sessionPresent: false }),
  }) as Packet;

export async function startMqttGate(wishes: Partial<MqttWishes> = {}, port = 0, pair: Pair = fleet.gate) {
  const { connack = {}, instead = [], publish = (packet) => puback(packet) } = wishes;
  const published: IPublishPacket[] = [];
  /** The packets of each connection. */
  const connections: Packet[][] = [];
  const sockets = new Set<TLSSocket>();
  const key = { key: pair.key, cert: pair.certificate + fleet.infrastructureIssuer.certificate };
  const ca = fleet.root.certificate + fleet.deviceIssuer.certificate;
  const server = createServer({ ...key, ca, requestCert: true, minVersion: 'TLSv1.3' }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    const packets: Packet[] = [];
    connections.push(packets);
    const say = (said: Said) => {
      if (said === 'close') socket.destroy();
      else if (said !== 'hang' && socket.writable)
        socket.write(Buffer.isBuffer(said) ? said : generate(said, { protocolVersion: 5 }));
    };
    const reader = parser({ protocolVersion: 5 });
    const welcome = { cmd: 'connack', reasonCode: 0, sessionPresent: false, ...connack } as Packet;
    const answer = async (packet: Packet) => {
      packets.push(packet);
      if (packet.cmd === 'connect') say(instead.shift() ?? welcome);
      if (packet.cmd === 'publish') say(await publish(packet, published.push(packet) - 1));
      if (packet.cmd === 'pingreq') say({ cmd: 'pingresp' });
    };
    reader.on('packet', (packet) => void answer(packet));
    socket.on('data', (bytes) => reader.parse(bytes));
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  after(close);
  const bound = (server.address() as AddressInfo).port;
  const values = () => published.map(({ payload }) => (JSON.parse(String(payload)) as { value: number }).value);
  return { url: `mqtts://localhost:${bound}`, port: bound, published, connections, values, close };
}
