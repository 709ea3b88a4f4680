import type { Reason } from '@portcullis/contract';

/** RFC 7252 §12.1, RFC 8132 §6: class in the upper three bits. */
export const codes = {
  post: 0x02,
  changed: 0x44,
  badRequest: 0x80,
  unauthorized: 0x81,
  badOption: 0x82,
  forbidden: 0x83,
  notFound: 0x84,
  methodNotAllowed: 0x85,
  notAcceptable: 0x86,
  requestEntityTooLarge: 0x8d,
  unsupportedContentFormat: 0x8f,
  unprocessableEntity: 0x96,
  serviceUnavailable: 0xa3,
  proxyingNotSupported: 0xa5,
} as const;

const byStatus: Readonly<Record<Reason['status'], number>> = {
  400: codes.badRequest,
  403: codes.forbidden,
  404: codes.notFound,
  413: codes.requestEntityTooLarge,
  415: codes.unsupportedContentFormat,
  422: codes.unprocessableEntity,
  503: codes.serviceUnavailable,
};

/** What a reason is over CoAP: its status says as much as over HTTP. */
export const codeOf = ({ status }: Pick<Reason, 'status'>): number => byStatus[status];

/** Requests have class 0 and a detail (RFC 7252 §12.1.1). */
export const isRequest = (code: number) => code > 0 && code < 0x20;
