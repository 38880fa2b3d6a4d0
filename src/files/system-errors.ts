/** What the codes of the system's errors mean for us: wait, give up, or nothing is there. */

/** What Node has no name for ("Unknown system error -122"), by Linux's numbers. */
const UNNAMED: Readonly<Record<number, string>> = {
  74: 'EBADMSG',
  116: 'ESTALE',
  117: 'EUCLEAN',
  122: 'EDQUOT',
};

function codeOf(error: unknown): string {
  const { code, errno = 0 } = Object(error) as NodeJS.ErrnoException;
  return UNNAMED[-errno] ?? code ?? '';
}

/** True for a system error with one of these codes. */
export const isCode = (error: unknown, ...codes: string[]): boolean =>
  codes.includes(codeOf(error));

/**
 * An error of the kernel's that may pass; what it says of a name will not. Node's own have codes like
 * ERR_INVALID_ARG_TYPE.
 */
export const mayPass = (error: unknown): boolean =>
  /^E[A-Z0-9]+$/.test(codeOf(error)) && !isCode(error, 'ENAMETOOLONG', 'EINVAL', 'EILSEQ');

/** @returns null where there is no such file. */
export async function ifThere<T>(look: Promise<T>): Promise<T | null> {
  try {
    return await look;
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

/** The disk is full, read-only or out of order for now: worth waiting for, no fault of the data. */
export const isDiskTrouble = (error: unknown): boolean =>
  isCode(
    error,
    ...['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO', 'EMFILE', 'ENFILE', 'ENOMEM'],
    ...['ENOENT', 'ESTALE', 'EBUSY', 'ETIMEDOUT', 'ENODEV', 'ENOTCONN', 'EHOSTDOWN'],
    // What ext4 and XFS call damage.
    ...['EUCLEAN', 'EBADMSG'],
    // LimitFSIZE= or `ulimit -f`: the sender of a photo within our own bound is not to blame.
    'EFBIG',
  );
