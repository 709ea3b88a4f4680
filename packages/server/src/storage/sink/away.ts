import { PortcullisError } from '@portcullis/contract';

/** A sink that can not be reached now, or has no room: it may be over in a moment. */
export const isAway = (error: unknown) =>
  error instanceof PortcullisError && ['store_unavailable', 'disk_full'].includes(error.code);

export const whyOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
