/** Whether a name is hidden, or that of a sidecar: beside photos, and none. */
export const isNoPhoto = (name: string): boolean => /(^\.|\.json$|\.xmp$)/i.test(name);
