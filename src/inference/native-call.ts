import type koffi from 'koffi';

/** A function of a library's, as koffi declares it. */
export type Call = ReturnType<ReturnType<typeof koffi.load>['func']>;

/** A call in one of libuv's threads: this one goes on meanwhile. @returns its status. */
export const called = (call: Call, ...args: unknown[]): Promise<number> =>
  new Promise((resolve, reject) => {
    call.async(...args, (error: Error | null, status: number) =>
      error ? reject(error) : resolve(status),
    );
  });
