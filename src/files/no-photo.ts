/**
 * Whether a name is hidden (rsync's `.NAME.XXXXXX` among them), or that of a sidecar, ours or a photo
 * tool's: it lies beside photos and is none.
 */
export const isNoPhoto = (name: string): boolean => /(^\.|\.json$|\.xmp$)/i.test(name);
