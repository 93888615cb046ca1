/** Why an operation failed; every failure of this package is one. */

/**
 * `unreachable`: no connection to the server. `refused`: the server said no, the message is its reason.
 * `timeout`: no answer in time. `lost`: the connection broke while waiting. `ended`: the conference or the
 * session is over. `media`: the browser or the network could not set up the media.
 */
export type Failure = "unreachable" | "refused" | "timeout" | "lost" | "ended" | "media";

export class PalaverError extends Error {
  override readonly name = "PalaverError";

  constructor(
    readonly code: Failure,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Settles like `work`, or rejects with `code` after `limitMs`. */
export async function within<T>(
  work: Promise<T>,
  limitMs: number,
  what: string,
  code: Failure = "timeout",
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new PalaverError(code, `${what}: nothing came in ${limitMs / 1000} s`)),
      limitMs,
    );
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
