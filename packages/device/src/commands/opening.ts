import { PortcullisError } from '@portcullis/contract';
import { Device, type DeviceOptions } from '../sending-device.ts';
import { OtherProcess } from '../socket/client.ts';
import { type Destination, HeldDevice } from '../socket/destination.ts';
import { type Notice, noticeRefusal } from './output.ts';
import type { Route } from './route.ts';

export interface Opened {
  destination: Destination;
  /** Held by this process. */
  device?: Device;
  close(): Promise<void>;
}

interface Wanted extends Pick<DeviceOptions, 'onAcknowledged'> {
  directory: string;
  stream: string;
  route: Route;
}

/** The device's own outbox, or the process that holds it and takes readings for it. @throws {PortcullisError} `store_locked` */
export async function openDestination(
  { directory, stream, route, onAcknowledged }: Wanted,
  notice: Notice,
): Promise<Opened> {
  try {
    const device = await Device.open({
      ...{ directory, ...route, only: stream },
      onRefusal: (refusal) => noticeRefusal(notice, refusal),
      onAcknowledged,
      onFailure: (error) => notice(`${error.message}; trying again`),
      onNotice: notice,
    });
    return { destination: new HeldDevice(device, stream), device, close: () => device.close() };
  } catch (error) {
    const isHeld = error instanceof PortcullisError && error.code === 'store_locked';
    const destination = isHeld ? await OtherProcess.connect(directory, stream) : undefined;
    if (!destination) throw error;
    if (route.by !== 'https' || route.gates || onAcknowledged) {
      notice(
        `the process that holds "${directory}" takes the readings; they go the way that it was told, and it says what it was told to`,
      );
    }
    return { destination, close: () => destination.close() };
  }
}
