/**
 * The one error table. Every refusal that a user can meet has a stable code here; HTTP problem
 * details, MQTT error messages and `NAME.error.json` sidecars all carry it.
 */
export const ERRORS = {
  image_missing: { status: 400, message: 'The request has no multipart field "image".' },
  request_invalid: { status: 400, message: 'The request or message is malformed.' },
  unauthorized: { status: 401, message: 'A valid bearer token is required.' },
  host_forbidden: { status: 403, message: 'The Host or Origin header is not one of this service.' },
  not_found: { status: 404, message: 'There is no such route.' },
  file_missing: { status: 404, message: 'There is no such file below the ingest folder.' },
  method_not_allowed: { status: 405, message: 'The route does not answer this method.' },
  request_timeout: { status: 408, message: 'The upload was too slow.' },
  image_too_large: { status: 413, message: 'The image has more bytes or pixels than allowed.' },
  image_unsupported: {
    status: 415,
    message: 'The image is not JPEG, PNG, WebP, AVIF, GIF, TIFF or HEIC.',
  },
  image_corrupt: { status: 422, message: 'The image is damaged or incomplete.' },
  headers_too_large: {
    status: 431,
    message: 'The request has too large headers or a too long URL.',
  },
  internal: { status: 500, message: 'The photo could not be tagged because of an internal fault.' },
  worker_crashed: {
    status: 500,
    message: 'The photo ended the inference process on every try and was set aside.',
  },
  worker_timeout: { status: 504, message: 'The photo took longer than the deadline on every try.' },
  still_queued: {
    status: 504,
    message: 'The photo is still in the queue and will be tagged; do not send it again.',
  },
  busy: { status: 503, message: 'Nothing more is accepted at present; try again later.' },
  stopping: { status: 503, message: 'The service is stopping; try again later.' },
} as const satisfies Record<string, { status: number; message: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** An error whose code is part of the contract. `detail` says what was wrong with this very input. */
export class RetaggerError extends Error {
  readonly code: ErrorCode;
  readonly status: number;

  constructor(code: ErrorCode, detail?: string, options?: ErrorOptions) {
    super(detail ?? ERRORS[code].message, options);
    this.name = 'RetaggerError';
    this.code = code;
    this.status = ERRORS[code].status;
  }
}

/** @param limit largest photo in bytes (`limits.upload_bytes`). */
export const tooManyBytes = (limit: number): RetaggerError =>
  new RetaggerError('image_too_large', `The image has more than ${limit} bytes.`);

/** @param limit largest photo in pixels (`limits.pixels`). */
export const tooManyPixels = (width: number, height: number, limit: number): RetaggerError =>
  new RetaggerError(
    'image_too_large',
    `The image has ${width} × ${height} pixels; at most ${limit} in all are allowed.`,
  );

/** Any thrown value as a coded error; what is not one of ours becomes `internal`. */
export function toRetaggerError(thrown: unknown): RetaggerError {
  if (thrown instanceof RetaggerError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new RetaggerError('internal', message, { cause: thrown });
}
